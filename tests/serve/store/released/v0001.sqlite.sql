BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE conversations (
	id TEXT NOT NULL, 
	owner_id TEXT NOT NULL, 
	title TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	updated_at TEXT NOT NULL, 
	model TEXT NOT NULL, 
	CONSTRAINT pk_conversations PRIMARY KEY (id)
);
INSERT INTO "conversations" VALUES('000000000000000000000007','000000000000000000000001','Мёртвые души','мертвые души','2026-11-01T09:00:09.000000Z','2026-11-01T09:00:12.000000Z','samovar');
INSERT INTO "conversations" VALUES('00000000000000000000000b','local','Пустая','пустая','2026-11-01T09:00:13.000000Z','2026-11-01T09:00:13.000000Z','');
CREATE TABLE feedback (
	message_id TEXT NOT NULL, 
	owner_id TEXT NOT NULL, 
	comment TEXT NOT NULL, 
	at TEXT NOT NULL, 
	value INTEGER NOT NULL, 
	CONSTRAINT pk_feedback PRIMARY KEY (message_id, owner_id), 
	CONSTRAINT fk_feedback_message_id FOREIGN KEY(message_id) REFERENCES messages (id) ON DELETE CASCADE
);
INSERT INTO "feedback" VALUES('00000000000000000000000a','000000000000000000000001','верно','2026-11-01T09:00:14.000000Z',1);
CREATE TABLE identities (
	issuer TEXT NOT NULL, 
	subject TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	CONSTRAINT pk_identities PRIMARY KEY (issuer, subject), 
	CONSTRAINT fk_identities_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE
);
INSERT INTO "identities" VALUES('https://issuer.example','subject-1','000000000000000000000003');
CREATE TABLE invitations (
	id TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	role TEXT NOT NULL, 
	invited_by TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	used_by TEXT NOT NULL, 
	CONSTRAINT pk_invitations PRIMARY KEY (id), 
	CONSTRAINT uq_invitations_hash UNIQUE (hash)
);
INSERT INTO "invitations" VALUES('000000000000000000000006','77194378df41af709dc93f2262da6f4ffac2c5d970f2ec4c534a7543566f5f7d','editor','000000000000000000000001','2026-11-01T09:00:08.000000Z','2027-11-01T09:00:08.000000Z','');
CREATE TABLE keys (
	id TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	owner_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	hint TEXT NOT NULL, 
	scopes TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	last_used_at TEXT NOT NULL, 
	revoked BOOLEAN NOT NULL, 
	CONSTRAINT pk_keys PRIMARY KEY (id), 
	CONSTRAINT fk_keys_owner_id FOREIGN KEY(owner_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_keys_hash UNIQUE (hash)
);
INSERT INTO "keys" VALUES('000000000000000000000005','a5b131eb682149a2b1b250111c17c01acd4b772ebd94432084626946cd015eec','000000000000000000000001','notebook','0001','ask search','2026-11-01T09:00:05.000000Z','2099-12-31','',0);
CREATE TABLE messages (
	id TEXT NOT NULL, 
	conversation_id TEXT NOT NULL, 
	role TEXT NOT NULL, 
	text TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	status TEXT NOT NULL, 
	model TEXT NOT NULL, 
	answer TEXT NOT NULL, 
	position INTEGER NOT NULL, 
	superseded BOOLEAN NOT NULL, 
	CONSTRAINT pk_messages PRIMARY KEY (id), 
	CONSTRAINT fk_messages_conversation_id FOREIGN KEY(conversation_id) REFERENCES conversations (id) ON DELETE CASCADE, 
	CONSTRAINT uq_messages_conversation_id_position UNIQUE (conversation_id, position)
);
INSERT INTO "messages" VALUES('000000000000000000000008','000000000000000000000007','user','Кто написал «Мёртвые души»?','кто написал «мертвые души»?','2026-11-01T09:00:10.000000Z','complete','','',0,0);
INSERT INTO "messages" VALUES('000000000000000000000009','000000000000000000000007','assistant','Пушкин','пушкин','2026-11-01T09:00:11.000000Z','stopped','samovar','',1,1);
INSERT INTO "messages" VALUES('00000000000000000000000a','000000000000000000000007','assistant','Николай Гоголь [1].','николаи гоголь [1].','2026-11-01T09:00:12.000000Z','complete','samovar','{"status": "answered", "citations": [{"number": 1, "document_id": "d", "start": 0, "end": 6, "quote": "Гоголь", "title": "Т", "uri": "/a"}]}',2,0);
CREATE TABLE sessions (
	id TEXT NOT NULL, 
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	last_used_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	agent TEXT NOT NULL, 
	address TEXT NOT NULL, 
	CONSTRAINT pk_sessions PRIMARY KEY (id), 
	CONSTRAINT fk_sessions_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT uq_sessions_hash UNIQUE (hash)
);
INSERT INTO "sessions" VALUES('000000000000000000000004','e8b1c36bc1e8a3de89c8ccf0dce070f9eee0a2ddc4628b0be6fd0e1e1d6922e2','000000000000000000000001','2026-11-01T09:00:04.000000Z','2026-11-01T09:00:04.000000Z','2026-11-15T09:00:04.000000Z','Firefox','127.0.0.1');
CREATE TABLE tokens (
	hash TEXT NOT NULL, 
	user_id TEXT NOT NULL, 
	scope TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	expires_at TEXT NOT NULL, 
	key_id TEXT, 
	CONSTRAINT pk_tokens PRIMARY KEY (hash), 
	CONSTRAINT fk_tokens_user_id FOREIGN KEY(user_id) REFERENCES users (id) ON DELETE CASCADE, 
	CONSTRAINT fk_tokens_key_id FOREIGN KEY(key_id) REFERENCES keys (id) ON DELETE CASCADE
);
INSERT INTO "tokens" VALUES('1067bdcb04abae67de1506a132222fdc644451357596f246a419b15a86206e5a','000000000000000000000001','GIGACHAT_API_PERS','2026-11-01T09:00:06.000000Z','2026-11-01T09:30:06.000000Z','000000000000000000000005');
INSERT INTO "tokens" VALUES('52719662ead29ed585c1d8e9c957b0f5ab3aa93776cd756545dd082ff5885858','000000000000000000000001','GIGACHAT_API_PERS','2026-11-01T09:00:07.000000Z','2026-11-01T09:30:07.000000Z',NULL);
CREATE TABLE uploads (
	id TEXT NOT NULL, 
	owner_id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	mime TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	path TEXT NOT NULL, 
	source TEXT NOT NULL, 
	document_ids TEXT NOT NULL, 
	status TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	size_bytes BIGINT NOT NULL, 
	CONSTRAINT pk_uploads PRIMARY KEY (id)
);
INSERT INTO "uploads" VALUES('00000000000000000000000c','000000000000000000000001','доклад.pdf','application/pdf','general','2026-11-01T09:00:15.000000Z','0f','user:000000000000000000000001','["d1", "d2"]','ready','',12345);
INSERT INTO "uploads" VALUES('00000000000000000000000d','000000000000000000000002','x.gguf','','general','2026-11-01T09:00:16.000000Z','','','[]','refused','unsupported',1);
CREATE TABLE users (
	id TEXT NOT NULL, 
	name TEXT NOT NULL, 
	folded TEXT NOT NULL, 
	role TEXT NOT NULL, 
	password TEXT NOT NULL, 
	created_at TEXT NOT NULL, 
	disabled BOOLEAN NOT NULL, 
	CONSTRAINT pk_users PRIMARY KEY (id), 
	CONSTRAINT uq_users_folded UNIQUE (folded)
);
INSERT INTO "users" VALUES('000000000000000000000001','Анна','анна','admin','$argon2id$v=19$m=65536,t=3,p=4$rzIlw6VjoRP+tIixyAa2JA$9SJv1vSzffRyxl5k8DrXPBiUmsQlxzTFSgm96z6JjII','2026-11-01T09:00:01.000000Z',0);
INSERT INTO "users" VALUES('000000000000000000000002','boris','boris','reader','','2026-11-01T09:00:02.000000Z',0);
INSERT INTO "users" VALUES('000000000000000000000003','Clara','clara','editor','','2026-11-01T09:00:03.000000Z',0);
CREATE INDEX ix_identities_user_id ON identities (user_id);
CREATE INDEX ix_sessions_user_id ON sessions (user_id);
CREATE INDEX ix_keys_owner_id ON keys (owner_id);
CREATE INDEX ix_tokens_user_id ON tokens (user_id);
CREATE INDEX ix_tokens_key_id ON tokens (key_id);
CREATE INDEX ix_conversations_owner_id_updated_at ON conversations (owner_id, updated_at);
CREATE INDEX ix_feedback_at ON feedback (at);
CREATE INDEX ix_uploads_owner_id ON uploads (owner_id);
COMMIT;
