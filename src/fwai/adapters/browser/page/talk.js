"use strict";

const home = new URL("talk/", location.href);
const at = (path) => new URL(path, home);
const $ = (id) => document.getElementById(id);
const app = $("app");

const GATHER_MS = 1500;
const CONNECT_MS = 15000;
const WORDS = {
  ready: "Ready",
  asking: "Allow the microphone…",
  connecting: "Connecting…",
  talking: "Connected",
  over: "Call ended",
};
const ENDINGS = {
  caller_hung_up: "You hung up",
  agent_hung_up: "The agent hung up",
  time_limit: "The call reached its time limit",
  silence: "Ended because nobody spoke",
  agent_failed: "The agent was lost",
  operator: "An operator ended the call",
  server_stopped: "The server was stopped",
};
const ERRORS = {
  denied: ["The microphone is blocked", "Allow it in the browser's address bar, then call again."],
  missing: ["No microphone was found", "Plug one in or switch it on, then call again."],
  taken: ["The microphone cannot be used", "Another program may hold it. Close it and call again."],
  insecure: ["The microphone needs a secure page", "Open this page over https, or on the server's own machine as http://localhost."],
  unsupported: ["This browser cannot call", "Use a current Chrome, Edge, Firefox or Safari."],
  offline: ["No connection to the server", "Check that the server runs and your network is up, then call again."],
  media: ["No connection for sound", "The server's UDP ports cannot be reached from here. Check its firewall and PUBLIC_IP, or try another network."],
  lost: ["The connection was lost", "Check your network, then call again."],
  busy: ["All lines are busy", "Please call again in a little while."],
  "key-needed": ["You are not signed in any more", "Sign in below, then call again."],
  "key-wrong": ["This key is not right", "Check it and try again."],
  "unknown-agent": ["This agent is no longer there", "Reload the page to see who is."],
  "not-allowed": ["Calling is not allowed from here", "This server takes browser calls only from its own machine until API_KEYS is set."],
  other: ["The call failed", "Please try again. If it goes on, look at the server's log."],
};

let call = null;
let names = {};

class Trouble extends Error {
  constructor(kind, detail) {
    super(kind);
    this.kind = kind;
    this.detail = detail;
  }
}

function show(state, words) {
  const before = app.dataset.state;
  app.dataset.state = state;
  $("state").textContent = words || WORDS[state];
  const live = state === "asking" || state === "connecting" || state === "talking";
  $("call").disabled = live;
  $("call-label").textContent = { ready: "Call", over: "Call again" }[state] || "In call";
  $("hangup").disabled = !live;
  $("mute").disabled = state !== "talking";
  $("agents").disabled = live;
  $("choose").hidden = state !== "over" || Object.keys(names).length < 2;
  if (state !== before) keepFocus(live);
}

// A button that is switched off loses the focus: whoever uses a keyboard goes on with the next one.
function keepFocus(live) {
  const lost = document.activeElement || document.body;
  if (lost === document.body || lost.disabled || lost.closest("fieldset:disabled")) {
    $(live ? "hangup" : "call").focus({ preventScroll: true });
  }
}

function chosen() {
  return document.querySelector("#agents input:checked")?.value || "";
}

function complain(kind, detail) {
  const [title, text] = ERRORS[kind] || ERRORS.other;
  const signedOut = kind.startsWith("key-");
  // At the first look nobody has done anything wrong yet: the form says what is wanted.
  const first = kind === "key-needed" && app.dataset.access === "asked";
  if (signedOut || kind === "not-allowed") app.dataset.access = "closed";
  $("error-title").textContent = title;
  $("error-text").textContent = ERRORS[kind] ? text : detail || text;
  $("error").hidden = first;
  $("sign-in").hidden = !signedOut;
  if (signedOut) $("key").focus();
}

function calm() {
  $("error").hidden = true;
  $("sign-in").hidden = true;
}

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(at(path), { credentials: "same-origin", ...options });
  } catch {
    throw new Trouble("offline");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const problem = await answer.json().catch(() => ({}));
  throw new Trouble(String(problem.type || "").split(":").pop() || "other", problem.detail);
}

// ---- sound ------------------------------------------------------------------------------------

async function microphone() {
  if (!window.RTCPeerConnection) throw new Trouble("unsupported");
  if (!navigator.mediaDevices) throw new Trouble(isSecureContext ? "unsupported" : "insecure");
  const audio = { echoCancellation: true, noiseSuppression: true, autoGainControl: true };
  try {
    return await navigator.mediaDevices.getUserMedia({ audio });
  } catch (error) {
    const kinds = { NotAllowedError: "denied", SecurityError: "denied", NotFoundError: "missing" };
    throw new Trouble(kinds[error.name] || "taken");
  }
}

function meter(context, stream) {
  const ear = context.createAnalyser();
  ear.fftSize = 512;
  context.createMediaStreamSource(stream).connect(ear);
  const samples = new Float32Array(ear.fftSize);
  return () => {
    ear.getFloatTimeDomainData(samples);
    const power = samples.reduce((sum, one) => sum + one * one, 0) / samples.length;
    return Math.max(0, Math.min(1, (10 * Math.log10(power + 1e-9) + 55) / 45));
  };
}

function gathered(connection) {
  return new Promise((done) => {
    const check = () => connection.iceGatheringState === "complete" && done();
    connection.addEventListener("icegatheringstatechange", check);
    setTimeout(done, GATHER_MS);
    check();
  });
}

// ---- one call ---------------------------------------------------------------------------------

class Call {
  constructor() {
    this.over = false;
    this.id = "";
    this.began = 0;
    this.levels = {};
    this.agent = chosen();
    this.sound = new AudioContext();
  }

  async begin() {
    show("asking");
    this.stream = await microphone();
    if (this.over) return this.release();
    show("connecting");
    this.sound.resume();
    this.levels.you = meter(this.sound, this.stream);
    const connection = (this.connection = new RTCPeerConnection());
    connection.addEventListener("track", (event) => this.hear(event));
    connection.addEventListener("connectionstatechange", () => this.changed());
    for (const track of this.stream.getAudioTracks()) connection.addTrack(track, this.stream);
    await connection.setLocalDescription(await connection.createOffer());
    await gathered(connection);
    if (this.over) return;
    const answered = await ask("calls", {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ sdp: connection.localDescription.sdp, agent: this.agent }),
    });
    this.id = answered.call_id;
    if (this.over) return this.tell();
    this.follow();
    await connection.setRemoteDescription({ type: "answer", sdp: answered.sdp });
    this.deadline = setTimeout(() => this.began || this.end("", "media"), CONNECT_MS);
  }

  hear(event) {
    const stream = event.streams[0] || new MediaStream([event.track]);
    $("voice").srcObject = stream;
    $("voice").play().catch(() => {});
    this.levels.agent = meter(this.sound, stream);
  }

  changed() {
    const state = this.connection.connectionState;
    if (state === "connected" && !this.began) {
      this.began = performance.now();
      show("talking");
      this.draw();
    }
    if (state === "failed") this.end("", this.began ? "lost" : "media");
  }

  follow() {
    const events = (this.events = new EventSource(at(`calls/${this.id}/events`)));
    const on = (type, act) => events.addEventListener(type, (one) => act(JSON.parse(one.data)));
    on("said", write);
    on("tool", (fact) => note(`${fact.ok ? "Used" : "Could not use"} ${fact.name.replaceAll("_", " ")}`));
    on("end", (fact) => {
      const unheard = fact.reason === "never_connected" || fact.reason === "stream_failed";
      const trouble = unheard ? (this.began ? "lost" : "media") : "";
      this.end(ENDINGS[fact.reason] || WORDS.over, trouble);
    });
  }

  draw() {
    if (this.over) return;
    const you = this.levels.you();
    const agent = this.levels.agent ? this.levels.agent() : 0;
    $("level-you").style.transform = `scaleX(${you})`;
    $("level-agent").style.transform = `scaleX(${agent})`;
    $("ring").style.transform = `scale(${1 + 0.35 * agent})`;
    const seconds = Math.floor((performance.now() - this.began) / 1000);
    $("timer").textContent = `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`;
    const now = performance.now();
    if (agent > 0.25) this.spoke = now;
    const speaks = now - (this.spoke || -1e9) < 600;
    const words = speaks ? `${names[this.agent] || "Agent"} is speaking` : "Listening";
    if ($("state").textContent !== words) $("state").textContent = words;
    requestAnimationFrame(() => this.draw());
  }

  mute() {
    const [track] = this.stream.getAudioTracks();
    track.enabled = !track.enabled;
    app.classList.toggle("muted", !track.enabled);
    $("mute").setAttribute("aria-pressed", String(!track.enabled));
    $("mute").textContent = track.enabled ? "Mute" : "Unmute";
  }

  tell() {
    if (!this.id) return;
    fetch(at(`calls/${this.id}`), { method: "DELETE", keepalive: true }).catch(() => {});
  }

  end(words, trouble) {
    if (this.over) return;
    this.over = true;
    this.tell();
    this.release();
    show("over", words);
    if (trouble) complain(trouble);
  }

  release() {
    clearTimeout(this.deadline);
    this.events?.close();
    this.connection?.close();
    this.stream?.getTracks().forEach((track) => track.stop());
    this.sound.close().catch(() => {});
    $("voice").srcObject = null;
    app.classList.remove("muted");
    $("mute").setAttribute("aria-pressed", "false");
    $("mute").textContent = "Mute";
    for (const id of ["level-you", "level-agent", "ring"]) $(id).style.transform = "";
    if (call === this) call = null;
  }
}

// ---- transcript -------------------------------------------------------------------------------

function write(fact) {
  const lines = $("lines");
  $("empty").hidden = true;
  const key = `${fact.role}-${fact.turn}`;
  let line = [...lines.children].find((one) => one.dataset.key === key);
  if (!line) {
    line = document.createElement("li");
    line.className = fact.role;
    line.dataset.key = key;
    line.dataset.turn = fact.turn;
    const who = document.createElement("b");
    who.textContent = fact.role === "agent" ? names[chosen()] || "Agent" : "You";
    line.append(who, document.createTextNode(""));
    // A caller's words may come after the reply to them has begun.
    const later = [...lines.children].find((one) => Number(one.dataset.turn) > fact.turn);
    lines.insertBefore(line, later || null);
  }
  if (fact.text) line.lastChild.data = `${line.lastChild.data} ${fact.text}`.trim();
  if (fact.interrupted) line.classList.add("cut");
  line.hidden = !line.lastChild.data;
  lines.scrollTop = lines.scrollHeight;
}

function note(text) {
  const line = document.createElement("li");
  line.className = "fact";
  line.textContent = text;
  $("empty").hidden = true;
  $("lines").append(line);
}

// ---- the page ---------------------------------------------------------------------------------

function card(agent, first) {
  const label = document.createElement("label");
  label.className = "agent-card";
  const choice = document.createElement("input");
  choice.type = "radio";
  choice.name = "agent";
  choice.value = agent.id;
  choice.checked = first;
  const name = document.createElement("b");
  name.textContent = agent.name || agent.id;
  const about = document.createElement("small");
  about.textContent = agent.description;
  label.append(choice, name, about);
  return label;
}

async function enter() {
  await ask("session");
  const { agents, scripted } = await ask("agents");
  names = Object.fromEntries(agents.map((agent) => [agent.id, agent.name || agent.id]));
  $("agents").querySelectorAll("label").forEach((label) => label.remove());
  $("agents").append(...agents.map((agent, index) => card(agent, index === 0)));
  $("agents").classList.toggle("alone", agents.length === 1);
  $("agents").hidden = agents.length === 0;
  $("scripted").hidden = !scripted;
  $("hint").hidden = scripted;
  app.dataset.access = "open";
  entitle();
}

function entitle() {
  $("title").textContent = `Talk to ${names[chosen()] || "the agent"}`;
}

$("agents").addEventListener("change", entitle);
$("agents").addEventListener("keydown", (event) => {
  if (event.key !== "Enter") return;
  event.preventDefault();
  $("call").click();
});
$("choose").addEventListener("click", () => {
  show("ready");
  document.querySelector("#agents input:checked")?.focus();
});

$("call").addEventListener("click", async () => {
  if (call) return;
  calm();
  $("lines").replaceChildren();
  $("empty").hidden = false;
  $("timer").textContent = "0:00";
  const mine = (call = new Call());
  try {
    await mine.begin();
  } catch (error) {
    if (mine.over) return;
    mine.over = true;
    mine.tell();
    mine.release();
    show("ready");
    complain(error.kind || "other", error.detail);
  }
});
$("hangup").addEventListener("click", () => call?.end(ENDINGS.caller_hung_up));
$("mute").addEventListener("click", () => call?.mute());
addEventListener("pagehide", () => call?.end(""));

$("sign-in").addEventListener("submit", async (event) => {
  event.preventDefault();
  const key = $("key").value.trim();
  try {
    await ask("session", { method: "POST", headers: { Authorization: `Bearer ${key}` } });
    $("key").value = "";
    calm();
    show("ready");
    await enter();
    $("call").focus();
  } catch (error) {
    complain(error.kind || "other", error.detail);
  }
});

show("ready");
enter().catch((error) => {
  complain(error.kind || "other", error.detail);
  if (app.dataset.access === "asked") app.dataset.access = "open"; // the next call may work
});
