-- A store of version 3, as the hub wrote it before version 4.
CREATE TABLE agents (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "agents" VALUES('a1','{"id":"a1","status":"idle","since":"2026-11-21T12:00:06+00:00","heard":"2026-11-21T12:00:08+00:00","joined":"2026-11-21T12:00:01+00:00","task":"task-2","message":"","capabilities":["py"],"cost":0.0,"completed":1,"reported_at":"2026-11-21T12:00:01+00:00","waiting_since":"2026-11-21T12:00:06+00:00","ticket":7,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"guarantee":"at-least-once","help":"","cause":7,"version":9}');
INSERT INTO "agents" VALUES('a2','{"id":"a2","status":"help","since":"2026-11-21T12:00:09+00:00","heard":"2026-11-21T12:00:09+00:00","joined":"2026-11-21T12:00:02+00:00","task":"","message":"?","capabilities":["py"],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:09+00:00","waiting_since":null,"ticket":0,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"guarantee":"at-least-once","help":"ask-1","cause":10,"version":11}');
CREATE TABLE broadcasts (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "broadcasts" VALUES('all-1',8,1,'{"id":"all-1","text":"hello","where":"","at":"2026-11-21T12:00:07+00:00","by":"me","sender":"","to":"","body":{},"call":"","answers":"","expires":null,"about":"","called":[],"answered":[],"recipients":2,"sent":0,"acked":0,"done":0,"dead":0,"left_out":0,"version":8}');
INSERT INTO "broadcasts" VALUES('psst-1',9,1,'{"id":"psst-1","text":"psst","where":"","at":"2026-11-21T12:00:08+00:00","by":"","sender":"a1","to":"a2","body":{},"call":"","answers":"","expires":null,"about":"","called":[],"answered":[],"recipients":1,"sent":0,"acked":0,"done":0,"dead":0,"left_out":0,"version":9}');
CREATE TABLE checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO "checks" VALUES(1,1);
CREATE TABLE deliveries (
    agent TEXT NOT NULL, seq INTEGER NOT NULL, ref TEXT NOT NULL,
    version INTEGER NOT NULL, live INTEGER NOT NULL, dead INTEGER NOT NULL,
    broadcast INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agent, seq)
) STRICT;
INSERT INTO "deliveries" VALUES('a1',8,'all-1',8,1,0,1,'{"agent":"a1","seq":8,"kind":"broadcast","ref":"all-1","state":"queued","queued":"2026-11-21T12:00:07+00:00","attempts":0,"sent":null,"acked":null,"done":null,"reason":"","retried":0,"lapsed":false,"version":8}');
INSERT INTO "deliveries" VALUES('a2',8,'all-1',8,1,0,1,'{"agent":"a2","seq":8,"kind":"broadcast","ref":"all-1","state":"queued","queued":"2026-11-21T12:00:07+00:00","attempts":0,"sent":null,"acked":null,"done":null,"reason":"","retried":0,"lapsed":false,"version":8}');
INSERT INTO "deliveries" VALUES('a2',9,'psst-1',9,1,0,1,'{"agent":"a2","seq":9,"kind":"message","ref":"psst-1","state":"queued","queued":"2026-11-21T12:00:08+00:00","attempts":0,"sent":null,"acked":null,"done":null,"reason":"","retried":0,"lapsed":false,"version":9}');
CREATE TABLE event_agents (
    agent TEXT NOT NULL, cursor INTEGER NOT NULL, PRIMARY KEY (agent, cursor)
) WITHOUT ROWID, STRICT;
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1795262400000000,'hub.started','','{"at":"2026-11-21T12:00:00+00:00","version":"0.3.0"}');
INSERT INTO "events" VALUES(2,1795262401000000,'agent.idle','a1','{"at":"2026-11-21T12:00:01+00:00","agent":"a1","report":"idle","task":"","message":"","capabilities":["py"],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:01+00:00","waiting_since":"2026-11-21T12:00:01+00:00","via":"http","spool":"s1","seq":1}');
INSERT INTO "events" VALUES(3,1795262402000000,'agent.idle','a2','{"at":"2026-11-21T12:00:02+00:00","agent":"a2","report":"idle","task":"","message":"","capabilities":["py"],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:02+00:00","waiting_since":"2026-11-21T12:00:02+00:00","via":"http","spool":"s1","seq":1}');
INSERT INTO "events" VALUES(4,1795262403000000,'task.enqueued','',' {"at":"2026-11-21T12:00:03+00:00","task":"task-1","title":"Say","body":{"n":1180591620717411303424,"id":"task-1"},"needs":[],"priority":0,"not_before":null,"max_attempts":3,"by":"me"}');
INSERT INTO "events" VALUES(5,1795262404000000,'task.enqueued','','{"at":"2026-11-21T12:00:04+00:00","task":"task-2","title":"Draw","body":{"id":"task-2"},"needs":["py"],"priority":0,"not_before":null,"max_attempts":3,"by":"me"}');
INSERT INTO "events" VALUES(6,1795262405000000,'task.leased','a1','{"at":"2026-11-21T12:00:05+00:00","agent":"a1","task":"task-2","fence":6,"lease":300.0,"until":"2026-11-21T12:05:05+00:00","attempt":1,"capabilities":["py"],"via":"http"}');
INSERT INTO "events" VALUES(7,1795262406000000,'task.done','a1','{"at":"2026-11-21T12:00:06+00:00","agent":"a1","task":"task-2","fence":6,"result":{"ok":1},"cost":null,"spool":"","seq":0}');
INSERT INTO "events" VALUES(8,1795262407000000,'broadcast.sent','','{"at":"2026-11-21T12:00:07+00:00","broadcast":"all-1","text":"hello","where":"","by":"me","recipients":["a1","a2"],"left_out":0}');
INSERT INTO "events" VALUES(9,1795262408000000,'message.sent','a1','{"at":"2026-11-21T12:00:08+00:00","message":"psst-1","agent":"a1","to":"a2","recipients":["a2"],"text":"psst","body":{},"call":"","answers":"","expires":null,"about":"","by":"","left_out":0,"spool":"","seq":0}');
INSERT INTO "events" VALUES(10,1795262409000000,'agent.help','a2','{"at":"2026-11-21T12:00:09+00:00","agent":"a2","report":"help","task":"","message":"?","capabilities":["py"],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:09+00:00","waiting_since":null,"via":"http","spool":"s1","seq":2}');
INSERT INTO "events" VALUES(11,1795262409000000,'help.asked','a2','{"at":"2026-11-21T12:00:09+00:00","agent":"a2","help":"ask-1","kind":"help","question":"?","severity":"high","choices":[],"wanted":["py"],"task":""}');
INSERT INTO "events" VALUES(12,1795262410000000,'letter.dead','','{"at":"2026-11-21T12:00:10+00:00","letter":"letter-1","message":{"name":"a.b"},"subscription":"works","pattern":"","transport":"","link":"","reason":"no","attempts":0,"by":""}');
INSERT INTO "events" VALUES(13,1795262411000000,'task.enqueued','','{"at":"2026-11-21T12:00:11+00:00","task":"task-3","title":"Later","body":{"id":"task-3"},"needs":[],"priority":0,"not_before":null,"max_attempts":3,"by":"me"}');
CREATE TABLE helps (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "helps" VALUES('ask-1',11,1,'{"id":"ask-1","agent":"a2","kind":"help","state":"open","question":"?","opened":"2026-11-21T12:00:09+00:00","severity":"high","choices":[],"wanted":["py"],"task":"","escalated":false,"by":"","helper":"","answer":"","snoozed_until":null,"settled":null,"note":"","version":11}');
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO "identity" VALUES('1429e50b23b1b25d');
CREATE TABLE indexed (id INTEGER PRIMARY KEY, upto INTEGER NOT NULL) STRICT;
INSERT INTO "indexed" VALUES(1,0);
CREATE TABLE keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, word TEXT NOT NULL
) STRICT;
CREATE TABLE letters (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, dead INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "letters" VALUES('letter-1',12,1,'{"id":"letter-1","state":"dead","at":"2026-11-21T12:00:10+00:00","message":{"name":"a.b"},"subscription":"works","pattern":"","transport":"","link":"","reason":"no","attempts":0,"told":"","by":"","settled":null,"version":12}');
CREATE TABLE receipts (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE spools (
    agent TEXT NOT NULL, spool TEXT NOT NULL, version INTEGER NOT NULL,
    old INTEGER NOT NULL DEFAULT 0, body TEXT NOT NULL, PRIMARY KEY (agent, spool)
) STRICT;
INSERT INTO "spools" VALUES('a1','s1',2,0,'{"agent":"a1","spool":"s1","accepted":1,"version":2}');
INSERT INTO "spools" VALUES('a2','s1',10,0,'{"agent":"a2","spool":"s1","accepted":2,"version":10}');
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
, dead INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "tasks" VALUES('task-1',4,1,' {"id":"task-1","state":"queued","created":"2026-11-21T12:00:03+00:00","agent":"","target":"","needs":[],"title":"Say","body":{"n":1180591620717411303424,"id":"task-1"},"by":"me","priority":0,"place":4,"not_before":null,"attempts":0,"max_attempts":3,"fence":0,"lease":0.0,"lease_until":null,"reason":"","result":{},"seq":0,"progress":null,"note":"","watchers":[],"changed":"2026-11-21T12:00:03+00:00","version":4}',0);
INSERT INTO "tasks" VALUES('task-2',7,0,'{"id":"task-2","state":"done","created":"2026-11-21T12:00:04+00:00","agent":"a1","target":"","needs":["py"],"title":"Draw","body":{"id":"task-2"},"by":"me","priority":0,"place":5,"not_before":null,"attempts":1,"max_attempts":3,"fence":6,"lease":300.0,"lease_until":null,"reason":"","result":{"ok":1},"seq":0,"progress":null,"note":"","watchers":[],"changed":"2026-11-21T12:00:06+00:00","version":7}',0);
INSERT INTO "tasks" VALUES('task-3',13,1,'{"id":"task-3","state":"queued","created":"2026-11-21T12:00:11+00:00","agent":"","target":"","needs":[],"title":"Later","body":{"id":"task-3"},"by":"me","priority":0,"place":13,"not_before":null,"attempts":0,"max_attempts":3,"fence":0,"lease":0.0,"lease_until":null,"reason":"","result":{},"seq":0,"progress":null,"note":"","watchers":[],"changed":"2026-11-21T12:00:11+00:00","version":13}',0);
CREATE TABLE tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
CREATE INDEX helps_live ON helps (id) WHERE live;
CREATE INDEX helps_settled ON helps (version, id) WHERE NOT live;
CREATE INDEX tasks_live ON tasks (id) WHERE live;
CREATE INDEX tasks_settled ON tasks (version, id) WHERE NOT live;
CREATE INDEX broadcasts_live ON broadcasts (id) WHERE live;
CREATE INDEX broadcasts_settled ON broadcasts (version, id) WHERE NOT live;
CREATE INDEX deliveries_ref ON deliveries (ref, agent, seq);
CREATE INDEX deliveries_live ON deliveries (ref) WHERE live;
CREATE INDEX letters_version ON letters (version);
CREATE INDEX letters_dead ON letters (version) WHERE dead;
CREATE INDEX tasks_dead ON tasks (version) WHERE dead;
CREATE INDEX deliveries_dead ON deliveries (seq, agent) WHERE dead;
CREATE INDEX deliveries_dead_of ON deliveries (agent, seq) WHERE dead;
CREATE INDEX receipts_version ON receipts (version);
CREATE INDEX deliveries_settled ON deliveries (version)
    WHERE (NOT live OR dead) AND NOT broadcast
;
CREATE INDEX spools_old ON spools (version) WHERE old;
CREATE TRIGGER spool_begun AFTER INSERT ON spools BEGIN
    UPDATE spools SET old = 1
    WHERE agent = NEW.agent AND spool <> NEW.spool AND NOT old;
END;
PRAGMA application_id = 1398231629;
PRAGMA user_version = 3;
