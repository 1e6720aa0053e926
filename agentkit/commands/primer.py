"""``agentkit primer``: what an AI agent must know to use the kit."""

from argparse import ArgumentParser, Namespace

from agentkit.commands import output

ABOUT = "Print what an AI agent must know to use agentkit; paste it into its prompt."

EXAMPLES = """\
  agentkit primer >> AGENTS.md
"""

TEXT = """\
# Working in a swarm

People watch this swarm on a live screen, hand out work and answer questions. They see
only what you report, so report every change at once, with the command `agentkit`. It
takes milliseconds, and a hub that is down breaks nothing: the report is kept and sent
later. Never retry a report.

Your name is $SWARMTUI_AGENT, else the project folder and the host. If several agents
share this folder, give each its own: export SWARMTUI_AGENT=builder-2.

## Report what you do
    agentkit notify idle                          ready for work, waiting
    agentkit notify busy T1                       you began T1 (an id, or a few words)
    agentkit notify completed T1 --cost 0.42      T1 is done; you are idle again
    agentkit notify blocked "no key for staging"  you cannot go on; say what is missing

--cost is US dollars in total, not since last time. Say what you can do once:
--capability python --capability sql. Report busy before you begin and completed only
when the work is really done. Blocked for 30 minutes alarms a person.

## Get work and messages
    agentkit wait --timeout 300

prints one JSON object per line, or exits with 4 when nothing came:
    {"seq": 7, "kind": "task", "ref": "T1", "body": {"id": "T1", "title": "…"}, …}
kind `task`: do it: notify busy REF, work, notify completed REF.
kind `broadcast`: body.text is for everybody; heed it.
kind `answer`: body.text answers your body.question.
kind `message`: message.text and .body come from message.sender.
kind `helper`: help agent body.agent with body.question.
After a restart, `agentkit wait --again` shows what you have not finished. Do not poll;
each message is printed once.

## Take work from the queue
    agentkit claim --wait 300          prints id, tab, title; exit code 4: nothing came
    agentkit extend T1 --progress 0.4  every few minutes, else somebody else gets it
    agentkit done T1 --result '{"pull_request": 17}'
    agentkit fail T1 "why" [--final]   it is tried again, unless final
    agentkit result write swarm://T1/log FILE  over 64 KiB

## Talk to other agents
    agentkit send builder-2 "the schema is ready"
    agentkit send cap:review "see T1"     to one who can
    agentkit call adder add '{"a": 1}'    prints its answer
    agentkit inbox                        what waits

## Ask a person
    agentkit ask "Drop table users?" --choice yes --choice no --wait --timeout 900

prints the answer, or exits with 4 when nobody did: then take the safe way and say so.
Ask before anything that cannot be undone. One clear question, with facts and your
choices. Do not ask what you can find out.

## Exit codes
0 ok · 1 error · 2 wrong usage · 3 not found · 4 nothing came · 5 refused. The reason
is one line on stderr. `agentkit ping` tells whether the hub is there.
"""


def arguments(parser: ArgumentParser) -> None:
    """Declare the command's flags: there are none."""
    del parser


def run(args: Namespace) -> int:
    """Print the primer; return the exit code."""
    if args.json:
        output.data({"primer": TEXT})
    else:
        output.line(TEXT.rstrip())
    return 0
