// Asking the exporter.

class Refusal extends Error {
  constructor(status, body, where) {
    super((body && (body.error || body.message)) || `the exporter answered ${status} to ${where}`);
    this.status = status;
    this.body = body || {};
  }
}

const pathOf = (target, rest = '') => `/api/v1/targets/${encodeURIComponent(target)}${rest}`;

// The answer's JSON, with `status` and `location` beside it. A Refusal for every
// status from 400 on; any other error means that nobody answered.
const ask = async (path, {method = 'GET', seconds = 15} = {}) => {
  // By the origin, for the page's own address may have a login in it, which fetch refuses.
  const response = await fetch(location.origin + path, {method, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
                                      signal: AbortSignal.timeout(seconds * 1000)});
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, body, path);
  if (body === null) throw new Error(`${path} did not answer with JSON`);
  return {body, status: response.status, location: response.headers.get('Location')};
};

// Events as they happen, from now on. Calls back with each event, and with whether the
// stream is there. Where the exporter has no place left for another stream, it is
// asked again after a while.
const openStream = (onEvent, onState) => {
  const kinds = ['wal.health', 'wal.checkpoint', 'wal.restart_consideration', 'wal.restart'];
  let source = null;
  let timer = 0;
  const connect = () => {
    source = new EventSource(`${location.origin}/api/v1/events/stream`);
    const take = (message) => onEvent(JSON.parse(message.data));
    for (const kind of kinds) source.addEventListener(kind, take);
    source.addEventListener('open', () => onState(true));
    source.addEventListener('error', () => {
      onState(false);
      if (source.readyState !== EventSource.CLOSED) return;
      clearTimeout(timer);
      timer = setTimeout(connect, 20000);
    });
  };
  connect();
  return () => {
    clearTimeout(timer);
    source.close();
  };
};
