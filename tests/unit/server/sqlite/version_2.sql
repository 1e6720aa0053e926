-- A store of version 2, as the hub wrote it before version 3.
CREATE TABLE agents (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "agents" VALUES('a1','{"id":"a1","status":"busy","since":"2026-11-21T12:00:07+00:00","heard":"2026-11-21T12:00:07+00:00","joined":"2026-11-21T12:00:02+00:00","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:07+00:00","waiting_since":null,"ticket":0,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"guarantee":"at-least-once","help":"","cause":7,"version":7}');
INSERT INTO "agents" VALUES('a2','{"id":"a2","status":"busy","since":"2026-11-21T12:00:13+00:00","heard":"2026-11-21T12:00:13+00:00","joined":"2026-11-21T12:00:08+00:00","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:13+00:00","waiting_since":null,"ticket":0,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"guarantee":"at-least-once","help":"","cause":13,"version":13}');
CREATE TABLE broadcasts (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "broadcasts" VALUES('b1',17,1,'{"id":"b1","text":"hello","where":"","at":"2026-11-21T12:00:14+00:00","by":"me","recipients":2,"sent":2,"acked":1,"done":1,"dead":0,"left_out":0,"version":17}');
INSERT INTO "broadcasts" VALUES('b2',23,0,'{"id":"b2","text":"over","where":"","at":"2026-11-21T12:00:18+00:00","by":"me","recipients":2,"sent":2,"acked":2,"done":2,"dead":0,"left_out":0,"version":23}');
CREATE TABLE checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO "checks" VALUES(1,1);
CREATE TABLE deliveries (
    agent TEXT NOT NULL, seq INTEGER NOT NULL, ref TEXT NOT NULL,
    version INTEGER NOT NULL, live INTEGER NOT NULL, dead INTEGER NOT NULL,
    body TEXT NOT NULL, PRIMARY KEY (agent, seq)
) STRICT;
INSERT INTO "deliveries" VALUES('a1',14,'b1',17,0,0,'{"agent":"a1","seq":14,"kind":"broadcast","ref":"b1","state":"done","queued":"2026-11-21T12:00:14+00:00","attempts":1,"sent":"2026-11-21T12:00:15+00:00","acked":"2026-11-21T12:00:16+00:00","done":"2026-11-21T12:00:17+00:00","reason":"","retried":0,"version":17}');
INSERT INTO "deliveries" VALUES('a2',14,'b1',15,1,0,'{"agent":"a2","seq":14,"kind":"broadcast","ref":"b1","state":"sent","queued":"2026-11-21T12:00:14+00:00","attempts":1,"sent":"2026-11-21T12:00:15+00:00","acked":null,"done":null,"reason":"","retried":0,"version":15}');
INSERT INTO "deliveries" VALUES('a1',18,'b2',21,0,0,'{"agent":"a1","seq":18,"kind":"broadcast","ref":"b2","state":"done","queued":"2026-11-21T12:00:18+00:00","attempts":1,"sent":"2026-11-21T12:00:19+00:00","acked":"2026-11-21T12:00:20+00:00","done":"2026-11-21T12:00:21+00:00","reason":"","retried":0,"version":21}');
INSERT INTO "deliveries" VALUES('a2',18,'b2',23,0,0,'{"agent":"a2","seq":18,"kind":"broadcast","ref":"b2","state":"done","queued":"2026-11-21T12:00:18+00:00","attempts":1,"sent":"2026-11-21T12:00:22+00:00","acked":"2026-11-21T12:00:24+00:00","done":"2026-11-21T12:00:24+00:00","reason":"","retried":0,"version":23}');
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1795262401000000,'hub.started','','{"at":"2026-11-21T12:00:01+00:00","version":"0.2.0"}');
INSERT INTO "events" VALUES(2,1795262402000000,'agent.idle','a1','{"at":"2026-11-21T12:00:02+00:00","agent":"a1","report":"idle","task":"","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:02+00:00","waiting_since":"2026-11-21T12:00:02+00:00","via":"http","spool":"s1","seq":1}');
INSERT INTO "events" VALUES(3,1795262403000000,'agent.busy','a1','{"at":"2026-11-21T12:00:03+00:00","agent":"a1","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:03+00:00","waiting_since":null,"via":"http","spool":"s1","seq":2}');
INSERT INTO "events" VALUES(4,1795262404000000,'agent.idle','a1','{"at":"2026-11-21T12:00:04+00:00","agent":"a1","report":"idle","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:04+00:00","waiting_since":"2026-11-21T12:00:04+00:00","via":"http","spool":"s2","seq":1}');
INSERT INTO "events" VALUES(5,1795262405000000,'agent.busy','a1','{"at":"2026-11-21T12:00:05+00:00","agent":"a1","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:05+00:00","waiting_since":null,"via":"http","spool":"s2","seq":2}');
INSERT INTO "events" VALUES(6,1795262406000000,'agent.idle','a1','{"at":"2026-11-21T12:00:06+00:00","agent":"a1","report":"idle","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:06+00:00","waiting_since":"2026-11-21T12:00:06+00:00","via":"http","spool":"s3","seq":1}');
INSERT INTO "events" VALUES(7,1795262407000000,'agent.busy','a1','{"at":"2026-11-21T12:00:07+00:00","agent":"a1","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:07+00:00","waiting_since":null,"via":"http","spool":"s3","seq":2}');
INSERT INTO "events" VALUES(8,1795262408000000,'agent.idle','a2','{"at":"2026-11-21T12:00:08+00:00","agent":"a2","report":"idle","task":"","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:08+00:00","waiting_since":"2026-11-21T12:00:08+00:00","via":"http","spool":"s1","seq":1}');
INSERT INTO "events" VALUES(9,1795262409000000,'agent.busy','a2','{"at":"2026-11-21T12:00:09+00:00","agent":"a2","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:09+00:00","waiting_since":null,"via":"http","spool":"s1","seq":2}');
INSERT INTO "events" VALUES(10,1795262410000000,'agent.idle','a2','{"at":"2026-11-21T12:00:10+00:00","agent":"a2","report":"idle","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:10+00:00","waiting_since":"2026-11-21T12:00:10+00:00","via":"http","spool":"s2","seq":1}');
INSERT INTO "events" VALUES(11,1795262411000000,'agent.busy','a2','{"at":"2026-11-21T12:00:11+00:00","agent":"a2","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:11+00:00","waiting_since":null,"via":"http","spool":"s2","seq":2}');
INSERT INTO "events" VALUES(12,1795262412000000,'agent.idle','a2','{"at":"2026-11-21T12:00:12+00:00","agent":"a2","report":"idle","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:12+00:00","waiting_since":"2026-11-21T12:00:12+00:00","via":"http","spool":"s3","seq":1}');
INSERT INTO "events" VALUES(13,1795262413000000,'agent.busy','a2','{"at":"2026-11-21T12:00:13+00:00","agent":"a2","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-21T12:00:13+00:00","waiting_since":null,"via":"http","spool":"s3","seq":2}');
INSERT INTO "events" VALUES(14,1795262414000000,'broadcast.sent','','{"at":"2026-11-21T12:00:14+00:00","broadcast":"b1","text":"hello","where":"","by":"me","recipients":["a1","a2"],"left_out":0}');
INSERT INTO "events" VALUES(15,1795262415000000,'delivery.sent','','{"at":"2026-11-21T12:00:15+00:00","deliveries":[["a1",14],["a2",14]]}');
INSERT INTO "events" VALUES(16,1795262416000000,'delivery.acked','a1','{"at":"2026-11-21T12:00:16+00:00","agent":"a1","upto":14}');
INSERT INTO "events" VALUES(17,1795262417000000,'delivery.done','a1','{"at":"2026-11-21T12:00:17+00:00","agent":"a1","seq":14}');
INSERT INTO "events" VALUES(18,1795262418000000,'broadcast.sent','','{"at":"2026-11-21T12:00:18+00:00","broadcast":"b2","text":"over","where":"","by":"me","recipients":["a1","a2"],"left_out":0}');
INSERT INTO "events" VALUES(19,1795262419000000,'delivery.sent','','{"at":"2026-11-21T12:00:19+00:00","deliveries":[["a1",18]]}');
INSERT INTO "events" VALUES(20,1795262420000000,'delivery.acked','a1','{"at":"2026-11-21T12:00:20+00:00","agent":"a1","upto":18}');
INSERT INTO "events" VALUES(21,1795262421000000,'delivery.done','a1','{"at":"2026-11-21T12:00:21+00:00","agent":"a1","seq":18}');
INSERT INTO "events" VALUES(22,1795262422000000,'delivery.sent','','{"at":"2026-11-21T12:00:22+00:00","deliveries":[["a2",18]]}');
INSERT INTO "events" VALUES(23,1795262424000000,'delivery.done','a2','{"at":"2026-11-21T12:00:24+00:00","agent":"a2","seq":18}');
INSERT INTO "events" VALUES(24,1795262425000000,'task.enqueued','',' {"at":"2026-11-21T12:00:25+00:00","task":"T1","title":"Say","body":{"n":1180591620717411303424,"id":"T1"},"needs":[],"priority":0,"not_before":null,"max_attempts":3,"by":"me"}');
INSERT INTO "events" VALUES(25,1795262426000000,'token.created','','{"at":"2026-11-21T12:00:26+00:00","token":"t1","role":"viewer","agent":"","name":"eve","digest":"0000000000000000000000000000000000000000000000000000000000000000","expires":null,"by":"me"}');
CREATE TABLE helps (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
CREATE TABLE identity (id TEXT NOT NULL) STRICT;
INSERT INTO "identity" VALUES('58fb7ed713aa3332');
CREATE TABLE keys (
    id TEXT PRIMARY KEY, salt TEXT NOT NULL, word TEXT NOT NULL
) STRICT;
CREATE TABLE receipts (
    key TEXT PRIMARY KEY, version INTEGER NOT NULL, body TEXT NOT NULL
) STRICT;
CREATE TABLE spools (
    agent TEXT NOT NULL, spool TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (agent, spool)
) STRICT;
INSERT INTO "spools" VALUES('a1','s1','{"agent":"a1","spool":"s1","accepted":2}');
INSERT INTO "spools" VALUES('a1','s2','{"agent":"a1","spool":"s2","accepted":2}');
INSERT INTO "spools" VALUES('a1','s3','{"agent":"a1","spool":"s3","accepted":2}');
INSERT INTO "spools" VALUES('a2','s1','{"agent":"a2","spool":"s1","accepted":2}');
INSERT INTO "spools" VALUES('a2','s2','{"agent":"a2","spool":"s2","accepted":2}');
INSERT INTO "spools" VALUES('a2','s3','{"agent":"a2","spool":"s3","accepted":2}');
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
, dead INTEGER NOT NULL DEFAULT 0) STRICT;
INSERT INTO "tasks" VALUES('T1',24,1,' {"id":"T1","state":"queued","created":"2026-11-21T12:00:25+00:00","agent":"","target":"","needs":[],"title":"Say","body":{"n":1180591620717411303424,"id":"T1"},"by":"me","priority":0,"place":24,"not_before":null,"attempts":0,"max_attempts":3,"fence":0,"lease":0.0,"lease_until":null,"reason":"","result":{},"seq":0,"changed":"2026-11-21T12:00:25+00:00","version":24}',0);
CREATE TABLE tokens (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "tokens" VALUES('t1','{"id":"t1","role":"viewer","created":"2026-11-21T12:00:26+00:00","agent":"","name":"eve","digest":"0000000000000000000000000000000000000000000000000000000000000000","generation":0,"by":"me","expires":null,"revoked":null,"version":25}');
CREATE INDEX events_agent ON events (agent, cursor);
CREATE INDEX helps_live ON helps (id) WHERE live;
CREATE INDEX helps_settled ON helps (version, id) WHERE NOT live;
CREATE INDEX tasks_live ON tasks (id) WHERE live;
CREATE INDEX tasks_settled ON tasks (version, id) WHERE NOT live;
CREATE INDEX broadcasts_live ON broadcasts (id) WHERE live;
CREATE INDEX broadcasts_settled ON broadcasts (version, id) WHERE NOT live;
CREATE INDEX deliveries_ref ON deliveries (ref, agent, seq);
CREATE INDEX deliveries_live ON deliveries (ref) WHERE live;
CREATE INDEX tasks_dead ON tasks (version) WHERE dead;
CREATE INDEX deliveries_settled ON deliveries (version) WHERE NOT live OR dead;
CREATE INDEX deliveries_dead ON deliveries (seq, agent) WHERE dead;
CREATE INDEX deliveries_dead_of ON deliveries (agent, seq) WHERE dead;
CREATE INDEX receipts_version ON receipts (version);
PRAGMA application_id = 1398231629;
PRAGMA user_version = 2;
