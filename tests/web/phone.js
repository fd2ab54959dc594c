// A phone in a page by JsSIP, for tests: it registers, calls, answers, and says which frequency it hears loudest.

const HEARD_EVERY_MS = 100;
const FFT_SIZE = 4096; // 12 Hz a bin at 48 kHz
// The microphone as it is: what improves speech takes a tone for noise.
const MICROPHONE = { audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, video: false };

const phone = {
  ua: null,
  session: null,
  state: "idle", // idle, calling, ringing, talking, ended
  why: "",
  heard: [], // { at, hz, db }, at: ms since 1970
  ice: { iceServers: [] }, // RTCConfiguration
  peers: [], // RTCPeerConnections of calls, newest last

  register(server, user, domain, password) {
    const socket = new JsSIP.WebSocketInterface(server);
    phone.ua = new JsSIP.UA({ sockets: [socket], uri: `sip:${user}@${domain}`, password, session_timers: false });
    phone.ua.on("newRTCSession", ({ originator, session }) => phone.take(originator, session));
    return new Promise((done, failed) => {
      phone.ua.on("registered", () => done(true));
      phone.ua.on("registrationFailed", ({ cause }) => failed(new Error(`not registered: ${cause}`)));
      phone.ua.start();
    });
  },

  call(target) {
    phone.ua.call(target, { mediaConstraints: MICROPHONE, pcConfig: phone.ice });
  },

  answer() {
    phone.session.answer({ mediaConstraints: MICROPHONE, pcConfig: phone.ice });
  },

  take(originator, session) {
    phone.session = session;
    phone.state = originator === "local" ? "calling" : "ringing";
    session.on("confirmed", () => (phone.state = "talking"));
    session.on("ended", ({ cause }) => phone.over(cause));
    session.on("failed", ({ cause }) => phone.over(cause));
    if (session.connection) phone.listen(session.connection);
    session.on("peerconnection", ({ peerconnection }) => phone.listen(peerconnection));
  },

  over(cause) {
    phone.state = "ended";
    phone.why = cause;
  },

  listen(peer) {
    phone.peers.push(peer);
    peer.addEventListener("track", ({ track }) => phone.hear(new MediaStream([track])));
  },

  hear(stream) {
    const sound = document.createElement("audio"); // without one, Chromium gives a remote stream's samples to nobody
    sound.muted = true;
    sound.srcObject = stream;
    sound.play();
    const context = new AudioContext();
    const ear = context.createAnalyser();
    ear.fftSize = FFT_SIZE;
    ear.smoothingTimeConstant = 0;
    context.createMediaStreamSource(stream).connect(ear);
    const levels = new Float32Array(ear.frequencyBinCount);
    setInterval(() => {
      ear.getFloatFrequencyData(levels);
      const loudest = levels.reduce((best, level, at) => (level > levels[best] ? at : best), 0);
      phone.heard.push({ at: Date.now(), hz: (loudest * context.sampleRate) / FFT_SIZE, db: Math.max(levels[loudest], -200) });
    }, HEARD_EVERY_MS);
  },

  // Whether the last `times` looks since `since` all found this frequency, well above silence.
  hears(hz, since, times) {
    const recent = phone.heard.filter(({ at }) => at > since).slice(-times);
    return recent.length === times && recent.every((one) => Math.abs(one.hz - hz) < 25 && one.db > -60);
  },
};
