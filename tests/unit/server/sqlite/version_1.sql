-- A store of version 1, as the hub of release 0.1 wrote it.
CREATE TABLE agents (id TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "agents" VALUES('a1','{"id":"a1","status":"idle","since":"2026-11-20T12:00:03+00:00","heard":"2026-11-20T12:00:03+00:00","joined":"2026-11-20T12:00:03+00:00","task":"","message":"","capabilities":["css"],"cost":0.0,"completed":0,"reported_at":"2026-11-20T12:00:03+00:00","waiting_since":"2026-11-20T12:00:03+00:00","ticket":2,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"help":"","cause":2,"version":2}');
INSERT INTO "agents" VALUES('a2','{"id":"a2","status":"help","since":"2026-11-20T12:00:11+00:00","heard":"2026-11-20T12:00:11+00:00","joined":"2026-11-20T12:00:04+00:00","task":"T2","message":"which?","capabilities":[],"cost":0.0,"completed":1,"reported_at":"2026-11-20T12:00:11+00:00","waiting_since":null,"ticket":0,"via":"http","linked":false,"unlinked":null,"lost":false,"escalated":false,"help":"h1","cause":11,"version":12}');
CREATE TABLE broadcasts (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "broadcasts" VALUES('b1',6,1,'{"id":"b1","text":"hello","where":"","at":"2026-11-20T12:00:07+00:00","by":"","recipients":2,"sent":0,"acked":0,"done":0,"version":6}');
CREATE TABLE checks (id INTEGER PRIMARY KEY, count INTEGER NOT NULL) STRICT;
INSERT INTO "checks" VALUES(1,1);
CREATE TABLE deliveries (
    agent TEXT NOT NULL, seq INTEGER NOT NULL, ref TEXT NOT NULL,
    live INTEGER NOT NULL, body TEXT NOT NULL, PRIMARY KEY (agent, seq)
) STRICT;
INSERT INTO "deliveries" VALUES('a1',4,'T1',1,'{"agent":"a1","seq":4,"kind":"task","ref":"T1","state":"queued","queued":"2026-11-20T12:00:05+00:00","attempts":0,"sent":null,"acked":null,"done":null,"version":4}');
INSERT INTO "deliveries" VALUES('a2',5,'T2',0,'{"agent":"a2","seq":5,"kind":"task","ref":"T2","state":"done","queued":"2026-11-20T12:00:06+00:00","attempts":1,"sent":"2026-11-20T12:00:08+00:00","acked":"2026-11-20T12:00:09+00:00","done":"2026-11-20T12:00:10+00:00","version":10}');
INSERT INTO "deliveries" VALUES('a1',6,'b1',1,'{"agent":"a1","seq":6,"kind":"broadcast","ref":"b1","state":"queued","queued":"2026-11-20T12:00:07+00:00","attempts":0,"sent":null,"acked":null,"done":null,"version":6}');
INSERT INTO "deliveries" VALUES('a2',6,'b1',1,'{"agent":"a2","seq":6,"kind":"broadcast","ref":"b1","state":"queued","queued":"2026-11-20T12:00:07+00:00","attempts":0,"sent":null,"acked":null,"done":null,"version":6}');
CREATE TABLE events (
    cursor INTEGER PRIMARY KEY, at INTEGER NOT NULL, subject TEXT NOT NULL,
    agent TEXT NOT NULL, data TEXT NOT NULL
) STRICT;
INSERT INTO "events" VALUES(1,1795176002000000,'hub.started','','{"at":"2026-11-20T12:00:02+00:00","version":"0.1.0"}');
INSERT INTO "events" VALUES(2,1795176003000000,'agent.idle','a1','{"at":"2026-11-20T12:00:03+00:00","agent":"a1","report":"idle","task":"","message":"","capabilities":["css"],"cost":0.0,"completed":0,"reported_at":"2026-11-20T12:00:03+00:00","waiting_since":"2026-11-20T12:00:03+00:00","via":"http","spool":"","seq":0}');
INSERT INTO "events" VALUES(3,1795176004000000,'agent.busy','a2','{"at":"2026-11-20T12:00:04+00:00","agent":"a2","report":"busy","task":"T0","message":"","capabilities":[],"cost":0.0,"completed":0,"reported_at":"2026-11-20T12:00:04+00:00","waiting_since":null,"via":"http","spool":"s1","seq":1}');
INSERT INTO "events" VALUES(4,1795176005000000,'task.assigned','a1',' {"at":"2026-11-20T12:00:05+00:00","agent":"a1","task":"T1","title":"Say \u00c4","body":{"n":1180591620717411303424,"id":"T1"},"by":"me"}');
INSERT INTO "events" VALUES(5,1795176006000000,'task.assigned','a2','{"at":"2026-11-20T12:00:06+00:00","agent":"a2","task":"T2","title":"","body":{"id":"T2"},"by":""}');
INSERT INTO "events" VALUES(6,1795176007000000,'broadcast.sent','','{"at":"2026-11-20T12:00:07+00:00","broadcast":"b1","text":"hello","where":"","by":"","recipients":["a1","a2"]}');
INSERT INTO "events" VALUES(7,1795176008000000,'delivery.sent','','{"at":"2026-11-20T12:00:08+00:00","deliveries":[["a2",5]]}');
INSERT INTO "events" VALUES(8,1795176009000000,'delivery.acked','a2','{"at":"2026-11-20T12:00:09+00:00","agent":"a2","upto":5}');
INSERT INTO "events" VALUES(9,1795176010000000,'agent.completed','a2','{"at":"2026-11-20T12:00:10+00:00","agent":"a2","report":"completed","task":"T2","message":"","capabilities":[],"cost":0.0,"completed":1,"reported_at":"2026-11-20T12:00:10+00:00","waiting_since":"2026-11-20T12:00:10+00:00","via":"http","spool":"","seq":0}');
INSERT INTO "events" VALUES(10,1795176010000000,'task.done','a2','{"at":"2026-11-20T12:00:10+00:00","agent":"a2","task":"T2"}');
INSERT INTO "events" VALUES(11,1795176011000000,'agent.help','a2','{"at":"2026-11-20T12:00:11+00:00","agent":"a2","report":"help","task":"T2","message":"which?","capabilities":[],"cost":0.0,"completed":1,"reported_at":"2026-11-20T12:00:11+00:00","waiting_since":null,"via":"http","spool":"","seq":0}');
INSERT INTO "events" VALUES(12,1795176011000000,'help.asked','a2','{"at":"2026-11-20T12:00:11+00:00","agent":"a2","help":"h1","kind":"help","question":"which?","severity":"high","choices":[],"wanted":[],"task":"T2"}');
CREATE TABLE helps (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "helps" VALUES('h1',12,1,'{"id":"h1","agent":"a2","kind":"help","state":"open","question":"which?","opened":"2026-11-20T12:00:11+00:00","severity":"high","choices":[],"wanted":[],"task":"T2","escalated":false,"by":"","helper":"","answer":"","snoozed_until":null,"settled":null,"note":"","version":12}');
CREATE TABLE receipts (key TEXT PRIMARY KEY, body TEXT NOT NULL) STRICT;
INSERT INTO "receipts" VALUES('k2','{"key":"k2","at":"2026-11-20T12:00:03+00:00","first":2,"last":2}');
INSERT INTO "receipts" VALUES('k3','{"key":"k3","at":"2026-11-20T12:00:04+00:00","first":3,"last":3}');
INSERT INTO "receipts" VALUES('k4','{"key":"k4","at":"2026-11-20T12:00:05+00:00","first":4,"last":4}');
INSERT INTO "receipts" VALUES('k5','{"key":"k5","at":"2026-11-20T12:00:06+00:00","first":5,"last":5}');
INSERT INTO "receipts" VALUES('k6','{"key":"k6","at":"2026-11-20T12:00:07+00:00","first":6,"last":6}');
CREATE TABLE spools (
    agent TEXT NOT NULL, spool TEXT NOT NULL, body TEXT NOT NULL,
    PRIMARY KEY (agent, spool)
) STRICT;
INSERT INTO "spools" VALUES('a2','s1','{"agent":"a2","spool":"s1","accepted":1}');
CREATE TABLE tasks (
    id TEXT PRIMARY KEY, version INTEGER NOT NULL, live INTEGER NOT NULL,
    body TEXT NOT NULL
) STRICT;
INSERT INTO "tasks" VALUES('T1',4,1,' {"id":"T1","agent":"a1","state":"queued","created":"2026-11-20T12:00:05+00:00","title":"Say \u00c4","body":{"n":1180591620717411303424,"id":"T1"},"by":"me","seq":4,"changed":"2026-11-20T12:00:05+00:00","version":4}');
INSERT INTO "tasks" VALUES('T2',10,0,'{"id":"T2","agent":"a2","state":"done","created":"2026-11-20T12:00:06+00:00","title":"","body":{"id":"T2"},"by":"","seq":5,"changed":"2026-11-20T12:00:10+00:00","version":10}');
CREATE INDEX events_agent ON events (agent, cursor);
CREATE INDEX helps_live ON helps (id) WHERE live;
CREATE INDEX helps_settled ON helps (version, id) WHERE NOT live;
CREATE INDEX tasks_live ON tasks (id) WHERE live;
CREATE INDEX tasks_settled ON tasks (version, id) WHERE NOT live;
CREATE INDEX broadcasts_live ON broadcasts (id) WHERE live;
CREATE INDEX broadcasts_settled ON broadcasts (version, id) WHERE NOT live;
CREATE INDEX deliveries_ref ON deliveries (ref, agent, seq);
CREATE INDEX deliveries_live ON deliveries (ref) WHERE live;
PRAGMA application_id = 1398231629;
PRAGMA user_version = 1;
