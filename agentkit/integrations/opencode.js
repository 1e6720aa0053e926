// swarmtui: tells the hub what this opencode does, and brings it work.
// Written by "agentkit hooks install opencode"; "agentkit hooks uninstall opencode"
// removes it.
import { spawn } from "node:child_process"

const AGENTKIT = "agentkit"
const TOLD = new Set([])

// "opencode run" ends with its first turn: it reports, and takes no work.
const ENDS = process.argv.includes("run")

// Installed for the user and for the project it is there twice: the last one tells.
const TELLS = (globalThis[Symbol.for("swarmtui")] ??= new Map())

function hook(words, payload) {
  return new Promise((resolve) => {
    const said = { code: -1, out: "", err: "" }
    const child = spawn(AGENTKIT, ["hook", "opencode", ...words])
    child.stdout.on("data", (data) => (said.out += data))
    child.stderr.on("data", (data) => (said.err += data))
    child.stdin.on("error", () => {})
    child.on("error", () => resolve(said))
    child.on("close", (code) => resolve({ ...said, code }))
    child.stdin.end(JSON.stringify(payload))
  })
}

const textOf = (parts) =>
  parts
    .filter((part) => part.type === "text" && !part.synthetic)
    .map((part) => part.text)
    .join("\n")

export const Swarmtui = async ({ client, directory }) => {
  const me = {}
  TELLS.set(directory, me)
  const helpers = new Map()
  const counted = new Set()
  const used = new Map()
  const failed = new Set()
  const open = new Set()
  const waiting = new Set()
  let last = Promise.resolve()

  const prompt = (id, text) =>
    client.session.promptAsync({ path: { id }, body: { parts: [{ type: "text", text }] } })

  // A session that has nothing to do waits for work in a process of its own.
  const wait = async (id) => {
    if (waiting.has(id)) return
    waiting.add(id)
    const { code, err } = await hook(["--wait"], { sessionID: id })
    waiting.delete(id)
    if (code === 2) await prompt(id, err.trim())
  }

  // What is to say of the end of a turn: with what words it ended.
  const ended = async (id) => {
    try {
      const asked = { path: { id }, query: { limit: 1 } }
      const said = (await client.session.messages(asked)).data.at(-1)
      if (said.info.role === "assistant") return { last_assistant_message: textOf(said.parts) }
    } catch {}
    return {}
  }

  // What a message of the model cost is told with the end of the turn; what helpers
  // use is used by who started them.
  const count = ({ id, sessionID, role, time, cost, tokens }) => {
    if (role !== "assistant" || !time?.completed || !tokens?.cache || counted.has(id)) return
    counted.add(id)
    const who = helpers.get(sessionID) ?? sessionID
    const sum = used.get(who) ?? { cost: 0, tokens_in: 0, tokens_out: 0 }
    sum.cost += cost
    sum.tokens_in += tokens.input + tokens.cache.read + tokens.cache.write
    sum.tokens_out += tokens.output + tokens.reasoning
    used.set(who, sum)
  }

  const spent = (id) => {
    const sum = used.get(id)
    used.delete(id)
    return sum
  }

  // What opencode calls idle behind an error is not the end of a turn.
  const isEcho = (name, id) => {
    if (name === "session.error") failed.add(id)
    if (name === "chat.message") failed.delete(id)
    return name === "session.idle" && failed.has(id)
  }

  const report = async (name, id, payload) => {
    if (name === "session.deleted") open.delete(id)
    else open.add(id)
    const idle = name === "session.idle"
    const event = idle && ENDS ? "session.rest" : name
    const said = { ...payload, sessionID: id, cwd: directory }
    if (idle || name === "session.error") said.spent = spent(id)
    const { out } = await hook([event], said)
    if (!idle || ENDS) return
    const text = out ? JSON.parse(out).reason : ""
    if (text) await prompt(id, text)
    else wait(id).catch(() => {})
  }

  // In order, and nobody waits for it: opencode goes on at once.
  const tell = (name, id, payload = {}) => {
    if (TELLS.get(directory) !== me || !id || helpers.has(id)) return
    if (!TOLD.has(name) || isEcho(name, id)) return
    last = last.then(async () => report(name, id, await payload)).catch(() => {})
  }

  // What is started here outlives opencode, which does not wait for long.
  const leave = async () => {
    await Promise.race([last, new Promise((resolve) => setTimeout(resolve, 1000))])
    for (const sessionID of open) {
      const said = JSON.stringify({ sessionID, spent: spent(sessionID) })
      const words = ["hook", "opencode", "dispose", said]
      const child = spawn(AGENTKIT, words, { detached: true, stdio: "ignore" })
      child.on("error", () => {})
      child.unref()
    }
    open.clear()
  }

  return {
    dispose: leave,
    event: async ({ event }) => {
      const said = event.properties ?? {}
      const parent = said.info?.parentID
      if (event.type.startsWith("session.") && parent)
        helpers.set(said.info.id, helpers.get(parent) ?? parent)
      if (event.type === "message.updated") count(said.info ?? {})
      const id = said.sessionID ?? said.info?.id
      const question = said.questions?.[0]?.question
      tell(event.type, id, event.type === "session.idle" ? ended(id) : { ...said, question })
    },
    "chat.message": async ({ sessionID }, { parts }) =>
      tell("chat.message", sessionID, { prompt: textOf(parts) }),
    // So that agentkit, when the model runs it, knows whose words it tells.
    "shell.env": async ({ sessionID }, { env }) => {
      if (sessionID) env.OPENCODE_SESSION_ID = helpers.get(sessionID) ?? sessionID
    },
    "tool.execute.after": async ({ sessionID }) => tell("tool.execute.after", sessionID),
  }
}
