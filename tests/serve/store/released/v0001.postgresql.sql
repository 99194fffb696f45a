CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);
CREATE TABLE public.conversations (
    id text NOT NULL,
    owner_id text NOT NULL,
    title text NOT NULL,
    folded text NOT NULL,
    created_at text NOT NULL,
    updated_at text NOT NULL,
    model text NOT NULL
);
CREATE TABLE public.feedback (
    message_id text NOT NULL,
    owner_id text NOT NULL,
    comment text NOT NULL,
    at text NOT NULL,
    value integer NOT NULL
);
CREATE TABLE public.identities (
    issuer text NOT NULL,
    subject text NOT NULL,
    user_id text NOT NULL
);
CREATE TABLE public.invitations (
    id text NOT NULL,
    hash text NOT NULL,
    role text NOT NULL,
    invited_by text NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL,
    used_by text NOT NULL
);
CREATE TABLE public.keys (
    id text NOT NULL,
    hash text NOT NULL,
    owner_id text NOT NULL,
    name text NOT NULL,
    hint text NOT NULL,
    scopes text NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL,
    last_used_at text NOT NULL,
    revoked boolean NOT NULL
);
CREATE TABLE public.messages (
    id text NOT NULL,
    conversation_id text NOT NULL,
    role text NOT NULL,
    text text NOT NULL,
    folded text NOT NULL,
    created_at text NOT NULL,
    status text NOT NULL,
    model text NOT NULL,
    answer text NOT NULL,
    "position" integer NOT NULL,
    superseded boolean NOT NULL
);
CREATE TABLE public.sessions (
    id text NOT NULL,
    hash text NOT NULL,
    user_id text NOT NULL,
    created_at text NOT NULL,
    last_used_at text NOT NULL,
    expires_at text NOT NULL,
    agent text NOT NULL,
    address text NOT NULL
);
CREATE TABLE public.tokens (
    hash text NOT NULL,
    user_id text NOT NULL,
    scope text NOT NULL,
    created_at text NOT NULL,
    expires_at text NOT NULL,
    key_id text
);
CREATE TABLE public.uploads (
    id text NOT NULL,
    owner_id text NOT NULL,
    name text NOT NULL,
    mime text NOT NULL,
    purpose text NOT NULL,
    created_at text NOT NULL,
    path text NOT NULL,
    source text NOT NULL,
    document_ids text NOT NULL,
    status text NOT NULL,
    reason text NOT NULL,
    size_bytes bigint NOT NULL
);
CREATE TABLE public.users (
    id text NOT NULL,
    name text NOT NULL,
    folded text NOT NULL,
    role text NOT NULL,
    password text NOT NULL,
    created_at text NOT NULL,
    disabled boolean NOT NULL
);
INSERT INTO public.alembic_version VALUES ('0001');
INSERT INTO public.conversations VALUES ('000000000000000000000007', '000000000000000000000001', 'Мёртвые души', 'мертвые души', '2026-11-01T09:00:09.000000Z', '2026-11-01T09:00:12.000000Z', 'samovar');
INSERT INTO public.conversations VALUES ('00000000000000000000000b', 'local', 'Пустая', 'пустая', '2026-11-01T09:00:13.000000Z', '2026-11-01T09:00:13.000000Z', '');
INSERT INTO public.feedback VALUES ('00000000000000000000000a', '000000000000000000000001', 'верно', '2026-11-01T09:00:14.000000Z', 1);
INSERT INTO public.identities VALUES ('https://issuer.example', 'subject-1', '000000000000000000000003');
INSERT INTO public.invitations VALUES ('000000000000000000000006', '77194378df41af709dc93f2262da6f4ffac2c5d970f2ec4c534a7543566f5f7d', 'editor', '000000000000000000000001', '2026-11-01T09:00:08.000000Z', '2027-11-01T09:00:08.000000Z', '');
INSERT INTO public.keys VALUES ('000000000000000000000005', 'a5b131eb682149a2b1b250111c17c01acd4b772ebd94432084626946cd015eec', '000000000000000000000001', 'notebook', '0001', 'ask search', '2026-11-01T09:00:05.000000Z', '2099-12-31', '', false);
INSERT INTO public.messages VALUES ('000000000000000000000008', '000000000000000000000007', 'user', 'Кто написал «Мёртвые души»?', 'кто написал «мертвые души»?', '2026-11-01T09:00:10.000000Z', 'complete', '', '', 0, false);
INSERT INTO public.messages VALUES ('000000000000000000000009', '000000000000000000000007', 'assistant', 'Пушкин', 'пушкин', '2026-11-01T09:00:11.000000Z', 'stopped', 'samovar', '', 1, true);
INSERT INTO public.messages VALUES ('00000000000000000000000a', '000000000000000000000007', 'assistant', 'Николай Гоголь [1].', 'николаи гоголь [1].', '2026-11-01T09:00:12.000000Z', 'complete', 'samovar', '{"status": "answered", "citations": [{"number": 1, "document_id": "d", "start": 0, "end": 6, "quote": "Гоголь", "title": "Т", "uri": "/a"}]}', 2, false);
INSERT INTO public.sessions VALUES ('000000000000000000000004', 'e8b1c36bc1e8a3de89c8ccf0dce070f9eee0a2ddc4628b0be6fd0e1e1d6922e2', '000000000000000000000001', '2026-11-01T09:00:04.000000Z', '2026-11-01T09:00:04.000000Z', '2026-11-15T09:00:04.000000Z', 'Firefox', '127.0.0.1');
INSERT INTO public.tokens VALUES ('1067bdcb04abae67de1506a132222fdc644451357596f246a419b15a86206e5a', '000000000000000000000001', 'GIGACHAT_API_PERS', '2026-11-01T09:00:06.000000Z', '2026-11-01T09:30:06.000000Z', '000000000000000000000005');
INSERT INTO public.tokens VALUES ('52719662ead29ed585c1d8e9c957b0f5ab3aa93776cd756545dd082ff5885858', '000000000000000000000001', 'GIGACHAT_API_PERS', '2026-11-01T09:00:07.000000Z', '2026-11-01T09:30:07.000000Z', NULL);
INSERT INTO public.uploads VALUES ('00000000000000000000000c', '000000000000000000000001', 'доклад.pdf', 'application/pdf', 'general', '2026-11-01T09:00:15.000000Z', '0f', 'user:000000000000000000000001', '["d1", "d2"]', 'ready', '', 12345);
INSERT INTO public.uploads VALUES ('00000000000000000000000d', '000000000000000000000002', 'x.gguf', '', 'general', '2026-11-01T09:00:16.000000Z', '', '', '[]', 'refused', 'unsupported', 1);
INSERT INTO public.users VALUES ('000000000000000000000001', 'Анна', 'анна', 'admin', '$argon2id$v=19$m=65536,t=3,p=4$C9B4Sb2FArOp5EsEU7dMWg$E5AIKNs7+SsHbeerwyOs640BXMepjZt91Ppjd+GDzsQ', '2026-11-01T09:00:01.000000Z', false);
INSERT INTO public.users VALUES ('000000000000000000000002', 'boris', 'boris', 'reader', '', '2026-11-01T09:00:02.000000Z', false);
INSERT INTO public.users VALUES ('000000000000000000000003', 'Clara', 'clara', 'editor', '', '2026-11-01T09:00:03.000000Z', false);
ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);
ALTER TABLE ONLY public.conversations
    ADD CONSTRAINT pk_conversations PRIMARY KEY (id);
ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT pk_feedback PRIMARY KEY (message_id, owner_id);
ALTER TABLE ONLY public.identities
    ADD CONSTRAINT pk_identities PRIMARY KEY (issuer, subject);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT pk_invitations PRIMARY KEY (id);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT pk_keys PRIMARY KEY (id);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT pk_messages PRIMARY KEY (id);
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT pk_sessions PRIMARY KEY (id);
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT pk_tokens PRIMARY KEY (hash);
ALTER TABLE ONLY public.uploads
    ADD CONSTRAINT pk_uploads PRIMARY KEY (id);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT pk_users PRIMARY KEY (id);
ALTER TABLE ONLY public.invitations
    ADD CONSTRAINT uq_invitations_hash UNIQUE (hash);
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT uq_keys_hash UNIQUE (hash);
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT uq_messages_conversation_id_position UNIQUE (conversation_id, "position");
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT uq_sessions_hash UNIQUE (hash);
ALTER TABLE ONLY public.users
    ADD CONSTRAINT uq_users_folded UNIQUE (folded);
CREATE INDEX ix_conversations_owner_id_updated_at ON public.conversations USING btree (owner_id, updated_at);
CREATE INDEX ix_feedback_at ON public.feedback USING btree (at);
CREATE INDEX ix_identities_user_id ON public.identities USING btree (user_id);
CREATE INDEX ix_keys_owner_id ON public.keys USING btree (owner_id);
CREATE INDEX ix_sessions_user_id ON public.sessions USING btree (user_id);
CREATE INDEX ix_tokens_key_id ON public.tokens USING btree (key_id);
CREATE INDEX ix_tokens_user_id ON public.tokens USING btree (user_id);
CREATE INDEX ix_uploads_owner_id ON public.uploads USING btree (owner_id);
ALTER TABLE ONLY public.feedback
    ADD CONSTRAINT fk_feedback_message_id FOREIGN KEY (message_id) REFERENCES public.messages(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.identities
    ADD CONSTRAINT fk_identities_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.keys
    ADD CONSTRAINT fk_keys_owner_id FOREIGN KEY (owner_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.messages
    ADD CONSTRAINT fk_messages_conversation_id FOREIGN KEY (conversation_id) REFERENCES public.conversations(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.sessions
    ADD CONSTRAINT fk_sessions_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT fk_tokens_key_id FOREIGN KEY (key_id) REFERENCES public.keys(id) ON DELETE CASCADE;
ALTER TABLE ONLY public.tokens
    ADD CONSTRAINT fk_tokens_user_id FOREIGN KEY (user_id) REFERENCES public.users(id) ON DELETE CASCADE;
