// Asking the exporter.

class Refusal extends Error {
  constructor(status, body, where) {
    const said = body && (body.error === 'blocked' ? body.message : body.error || body.message);
    super(said || `the exporter answered ${status} to ${where}`);
    this.status = status;
    this.body = body || {};
  }
}

const pathOf = (target, rest = '') => `/api/v1/targets/${encodeURIComponent(target)}${rest}`;

// The answer's JSON, with `status` and `location` beside it. A Refusal for every
// status from 400 on; any other error means that nobody answered.
const ask = async (path, {method = 'GET', seconds = 15} = {}) => {
  // By the origin, for the page's own address may have a login in it, which fetch refuses.
  // And by a script, as the header says: a browser that asked for another login by
  // itself would let this wait for it.
  const response = await fetch(location.origin + path, {method, cache: 'no-store', credentials: 'same-origin', redirect: 'error',
                                      headers: {'X-Requested-With': 'fetch'}, signal: AbortSignal.timeout(seconds * 1000)});
  const body = await response.json().catch(() => null);
  if (!response.ok) throw new Refusal(response.status, body, path);
  if (body === null) throw new Error(`${path} did not answer with JSON`);
  return {body, status: response.status, location: response.headers.get('Location')};
};

// Events as they happen, from now on. Calls back with each event, once it is there,
// and once when it ends. It does not come back by itself: a browser would do so before
// it is known that somebody answers, and that the login is still taken.
const openStream = (onEvent, onOpen, onEnd) => {
  const source = new EventSource(`${location.origin}/api/v1/events/stream`);
  for (const kind of document.querySelector('meta[name=wal_exporter-events]').content.split(' ')) {
    source.addEventListener(kind, (message) => onEvent(JSON.parse(message.data)));
  }
  source.addEventListener('open', onOpen);
  source.addEventListener('error', () => {
    source.close();
    onEnd();
  });
  return () => source.close();
};
