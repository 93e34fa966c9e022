// Oneself: how one likes the pages, one's password and tokens, and the way out. For who keeps accounts: everybody's, and who did what.

import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { get, send } from "../api/client";
import type { Account, Accounts, Deeds, Role, Token, TokenMade, Tokens } from "../api/types";
import { when } from "../lib/time";
import { Button, Notice } from "../parts/bits";
import { perform } from "../state/actions";
import { mayKeep, me, set, settings, signOut, type Settings } from "../state/me";
import { personOf } from "../state/people";
import { say } from "../state/toasts";

const ROLES: readonly Role[] = ["reviewer", "lead", "ops", "ingest"];
const DAYS = 90;

const fail = (error: Error): void => say("refused", error.message);

export function AccountPage() {
  const one = me.value;
  if (!one) return <main class="list-page"><div class="blocks" aria-busy="true" aria-label="Loading your account" /></main>;
  const local = one.id === "local";
  return (
    <main class="list-page account">
      <header class="page-head">
        <h1>{one.name}</h1>
        <span class="quiet">{local ? "local mode: one person, every role" : one.roles.join(", ")}</span>
        <span class="space" />
        <Button icon="out" label="Sign out" onPress={() => void signOut()} />
      </header>
      <div class="pair">
        <Likes />
        {!local && <Password />}
      </div>
      {!local && <TokenList roles={one.roles as Role[]} />}
      {mayKeep.value && <Keeping />}
    </main>
  );
}

function Panel({ title, children }: { title: string; children: ComponentChildren }) {
  return (
    <section class="panel" aria-label={title}>
      <div class="card">
        <h2>{title}</h2>
        {children}
      </div>
    </section>
  );
}

function Likes() {
  return (
    <Panel title="How you like it">
      <label class="said">
        <span class="quiet">theme</span>
        <select value={settings.value.theme} onChange={(event) => set({ theme: event.currentTarget.value as Settings["theme"] })}>
          <option value="system">as the system</option>
          <option value="dark">dark</option>
          <option value="light">light</option>
        </select>
      </label>
      <label class="said">
        <span class="quiet">sound</span>
        <select value={settings.value.sound ? "on" : "off"} onChange={(event) => set({ sound: event.currentTarget.value === "on" })}>
          <option value="off">off</option>
          <option value="on">on</option>
        </select>
      </label>
      <div class="said">
        <span class="quiet">keys</span>
        <Button icon="keys" label="Show and change" action="help" onPress={() => perform("help")} />
      </div>
    </Panel>
  );
}

function Password() {
  const old = useSignal("");
  const fresh = useSignal("");
  return (
    <Panel title="Password">
      <form
        class="fields"
        onSubmit={(event) => {
          event.preventDefault();
          send("POST", "/api/me/password", { old: old.value, new: fresh.value }).then(() => location.assign("/"), fail);
        }}
      >
        <input type="text" autocomplete="username" value={me.value?.name ?? ""} class="sr" tabIndex={-1} aria-hidden="true" readOnly />
        <Field label="the one you have" type="password" autocomplete="current-password" value={old.value} onSay={(value) => (old.value = value)} />
        <Field label="a new one, of 12 letters or more" type="password" autocomplete="new-password" least={12} value={fresh.value} onSay={(value) => (fresh.value = value)} />
        <div class="row">
          <button class="button">Change it</button>
          <span class="quiet">You sign in again afterwards, everywhere.</span>
        </div>
      </form>
    </Panel>
  );
}

interface FieldProps {
  label: string;
  value: string;
  onSay: (value: string) => void;
  type?: "text" | "password";
  autocomplete?: string;
  least?: number;
  optional?: boolean;
}

function Field({ label, value, onSay, type = "text", autocomplete = "off", least, optional = false }: FieldProps) {
  const more = { autocomplete, required: !optional, minLength: least, maxLength: 200, value, onInput: (event: { currentTarget: HTMLInputElement }) => onSay(event.currentTarget.value) };
  return (
    <label class="said">
      <span class="quiet">{label}</span>
      {type === "password" ? <input type="password" {...more} /> : <input type="text" {...more} />}
    </label>
  );
}

function Roles({ of, chosen, onChange }: { of: readonly Role[]; chosen: readonly string[]; onChange: (roles: Role[]) => void }) {
  return (
    <span class="row roles" role="group" aria-label="Roles">
      {of.map((role) => (
        <button
          type="button"
          key={role}
          class="tag"
          aria-pressed={chosen.includes(role)}
          onClick={() => onChange(ROLES.filter((one) => (one === role ? !chosen.includes(one) : chosen.includes(one))))}
        >
          {role}
        </button>
      ))}
    </span>
  );
}

function TokenList({ roles }: { roles: readonly Role[] }) {
  const tokens = useSignal<readonly Token[]>([]);
  const name = useSignal("");
  const scopes = useSignal<readonly Role[]>([]);
  const made = useSignal<TokenMade | null>(null);
  const ask = (): void => void get<Tokens>("/api/tokens").then((said) => (tokens.value = said.items), fail);
  useEffect(ask, []);
  const standing = tokens.value.filter((token) => !token.revoked_at && new Date(token.expires_at) > new Date());
  return (
    <Panel title="Tokens for programs">
      {standing.map((token) => (
        <div class="person" key={token.id}>
          <span>
            <b>{token.name}</b> <span class="quiet">{token.login}</span>
          </span>
          <span>{token.scopes.join(", ")}</span>
          <span class="quiet">until {when(token.expires_at)}</span>
          <Button
            kind="quiet"
            label="End it"
            onPress={() => void send("POST", `/api/tokens/${token.id}/revoke`, {}).then(ask, fail)}
          />
        </div>
      ))}
      {made.value && (
        <p class="made" role="status">
          The token of {made.value.token.name}, shown this once: <code>{made.value.word}</code>
        </p>
      )}
      <form
        class="line-form"
        onSubmit={(event) => {
          event.preventDefault();
          if (!scopes.value.length) return say("refused", "Say what the token may do: choose a role or more.");
          send<TokenMade>("POST", "/api/tokens", { name: name.value.trim(), scopes: scopes.value, days: DAYS }).then((said) => {
            made.value = said;
            name.value = "";
            ask();
          }, fail);
        }}
      >
        <Field label="what it is for" value={name.value} onSay={(value) => (name.value = value)} />
        <Roles of={roles} chosen={scopes.value} onChange={(next) => (scopes.value = next)} />
        <button class="button">Make a token for {DAYS} days</button>
      </form>
    </Panel>
  );
}

function Keeping() {
  const accounts = useSignal<readonly Account[] | null>(null);
  const problem = useSignal("");
  const ask = async (): Promise<void> => {
    try {
      accounts.value = (await get<Accounts>("/api/accounts")).items;
    } catch (error) {
      problem.value = error instanceof Error ? error.message : String(error);
    }
  };
  useEffect(() => void ask(), []);
  // One after the other, as they were pressed.
  const last = useRef<Promise<void>>(Promise.resolve());
  const open = useRef(0);
  const change = (id: string, what: Record<string, unknown>): void => {
    open.current += 1;
    last.current = last.current
      .then(() => send<void>("POST", `/api/accounts/${id}`, what))
      .catch(fail)
      .then(() => {
        open.current -= 1;
        return open.current ? undefined : ask();
      });
  };
  if (problem.value) return <Notice tone="failed" title="The accounts cannot be read"><p>{problem.value}</p></Notice>;
  return (
    <>
      <Panel title="People">
        {accounts.value?.length === 0 && <p class="quiet">Nobody has an account yet. Whoever has one signs in by name and password, and decides in their own name.</p>}
        {accounts.value?.map((one) => (
          <Person key={one.id} one={one} onChange={(what) => change(one.id, what)} />
        ))}
        <NewPerson onDone={() => void ask()} />
      </Panel>
      <Audit />
    </>
  );
}

function Person({ one, onChange }: { one: Account; onChange: (what: Record<string, unknown>) => void }) {
  const word = useSignal<string | null>(null);
  // As they were pressed, until the server says what they are.
  const roles = useSignal<readonly string[]>(one.roles);
  useEffect(() => {
    roles.value = one.roles;
  }, [one]);
  const state = [one.disabled ? "disabled" : "", one.locked ? "locked" : "", one.signed_in_at ? `here ${when(one.signed_in_at)}` : "never here"].filter(Boolean).join(", ");
  return (
    <div class="person" data-account={one.login} data-off={one.disabled}>
      <span>
        <b>{one.name}</b> <span class="quiet">{one.login}</span>
      </span>
      <Roles
        of={ROLES}
        chosen={roles.value}
        onChange={(now) => {
          if (!now.length) return say("refused", "An account has one role at least: disable it instead.");
          roles.value = now;
          onChange({ roles: now });
        }}
      />
      <span class="quiet">
        {state} · {one.signs_in}
      </span>
      <span class="row">
        {one.signs_in !== "elsewhere" && <Button kind="quiet" label="New password" pressed={word.value !== null} onPress={() => (word.value = word.value === null ? "" : null)} />}
        <Button kind="quiet" label={one.disabled ? "Enable" : "Disable"} onPress={() => onChange({ disabled: !one.disabled })} />
      </span>
      {word.value !== null && (
        <form
          class="line-form"
          onSubmit={(event) => {
            event.preventDefault();
            onChange({ password: word.value });
            word.value = null;
          }}
        >
          <Field label={`a new password for ${one.login}`} type="password" autocomplete="new-password" least={12} value={word.value} onSay={(value) => (word.value = value)} />
          <button class="button">Set it</button>
        </form>
      )}
    </div>
  );
}

function NewPerson({ onDone }: { onDone: () => void }) {
  const login = useSignal("");
  const name = useSignal("");
  const password = useSignal("");
  const roles = useSignal<readonly Role[]>(["reviewer"]);
  return (
    <form
      class="line-form"
      onSubmit={(event) => {
        event.preventDefault();
        if (!roles.value.length) return say("refused", "An account has one role at least.");
        const wish = { login: login.value.trim(), name: name.value.trim() || login.value.trim(), roles: roles.value, password: password.value || null };
        send("POST", "/api/accounts", wish).then(() => {
          say("done", `${wish.name} has an account.`);
          login.value = name.value = password.value = "";
          onDone();
        }, fail);
      }}
    >
      <Field label="login" value={login.value} onSay={(value) => (login.value = value)} />
      <Field label="name" optional value={name.value} onSay={(value) => (name.value = value)} />
      <Field label="password, or none for a program" type="password" autocomplete="new-password" optional least={12} value={password.value} onSay={(value) => (password.value = value)} />
      <Roles of={ROLES} chosen={roles.value} onChange={(next) => (roles.value = next)} />
      <button class="button solid">Add</button>
    </form>
  );
}

function Audit() {
  const deeds = useSignal<Deeds>({ items: [], next: null });
  const ask = (before: number | null): void =>
    void get<Deeds>("/api/audit", { limit: 50, before }).then((said) => (deeds.value = { items: [...(before ? deeds.value.items : []), ...said.items], next: said.next }), fail);
  useEffect(() => ask(null), []);
  return (
    <Panel title="Who did what">
      <ol class="story audit">
        {deeds.value.items.map((one) => (
          <li key={one.id}>
            <span class="time quiet" title={new Date(one.at).toISOString()}>
              {when(one.at)}
            </span>
            <span>
              {personOf(one.actor)} <span class="quiet">{one.action}</span>
            </span>
            <span class={one.outcome < 400 ? "time quiet end" : "time bad end"}>
              {one.outcome} · {one.address}
            </span>
          </li>
        ))}
      </ol>
      {deeds.value.next !== null && (
        <p class="more">
          <Button icon="down" label="Show more" onPress={() => ask(deeds.value.next)} />
        </p>
      )}
    </Panel>
  );
}
