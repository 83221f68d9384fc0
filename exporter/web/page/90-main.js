// What is known, when it is asked for, and what happens when nobody answers.

const POLL = 3000;
// A list of very many targets is read less often; the chosen one always at POLL.
const MANY = 20;
const POLL_MANY = 12000;

const state = {
  // `wanted`: what a person chose, or saw first. Where it is not there, another is shown, and nothing is done to that.
  targets: [], wanted: null, selected: null, status: null,
  // Newest first; null: not known yet. Of the chosen target, and of all once somebody wants to see those.
  events: null, eventsOfAll: null,
  // What the stream brought since it began.
  live: [],
  // Checkpoints of the chosen target, likewise.
  runs: null,
  // Since when what is shown is old, and why.
  lost: null, trouble: null,
  listRead: 0, historyOf: '', streaming: false, healths: new Map(),
};
const chart = new Chart();
const dialog = new CheckpointDialog(() => refresh(true));
let stopStream = null;
let listenAfter = 0;
let timer = 0;
let reading = null;
let again = null;

const current = () => state.targets.find((target) => target.name === state.selected) || null;

const choose = () => {
  if (state.targets.length === 0) return null;
  const first = [...state.targets].sort(byNeed)[0].name;
  if (state.wanted === null) state.wanted = nameInHash() ?? first;
  return [state.wanted, state.selected].find((name) => state.targets.some((target) => target.name === name)) ?? first;
};
const isStandIn = () => state.selected !== null && state.selected !== state.wanted;

const wantsAll = () => state.targets.length > 1 && $('events-all').checked;

// What is known of one target is not shown of another.
const adopt = () => {
  const name = choose();
  if (name === state.selected) return;
  state.selected = name;
  state.events = null;
  state.runs = null;
  state.historyOf = '';
  chart.forget();
  chart.points = [];
  if (isStandIn()) announce(`${state.wanted} is not there. ${name} is shown instead`);
};

const show = () => {
  adopt();
  $('static').hidden = true;
  $('app').hidden = state.targets.length === 0;
  showList(state.targets, state.selected);
  $('events-choice').hidden = state.targets.length < 2;
  const target = current();
  if (!target) return;
  if (nameInHash() !== null && nameInHash() !== target.name) history.replaceState(null, '', hashOf(target.name));
  $('checkpoint').disabled = isStandIn();
  showTarget(target);
  showRuns(state.runs, target.checkpoint.running);
  showEvents(wantsAll() ? state.eventsOfAll : state.events, target.name);
  chart.add(target);
};

// Why what is shown is old, and in how many milliseconds it is asked again. A refused
// login hardly becomes right by itself, and each one costs the exporter a hash.
const troubleOf = (error) => {
  const why = error.message;
  const goesOn = {pause: 2000, text: 'it is asked again every few seconds.'};
  if (error.status === 401) return {title: 'The login is refused', link: 'login refused', why, reload: true, pause: 30000, text: 'load the page again to log in.'};
  if (error.status === 403) return {...goesOn, title: 'The exporter refuses to answer', link: 'refused', why, reload: true};
  // Without a word of the exporter's a status is that of a proxy, which got no answer.
  if (error.body && error.body.error) return {...goesOn, title: 'The exporter answers with an error', link: 'error', why};
  return {...goesOn, title: 'The exporter does not answer', link: 'no answer'};
};

const showNotices = () => {
  const notices = [];
  const add = (level, title, text, button) => notices.push(make('p', {class: 'notice', 'data-level': level}, make('strong', null, title), make('span', null, text), button || null));
  const {status, lost, trouble} = state;
  const load = () => make('button', {type: 'button', 'data-reload': ''}, 'Load it again');
  if (lost) {
    add('critical', trouble.title, `since ${formatMoment(lost)}${trouble.why ? `: ${trouble.why}` : ''}. What you see is from then; ${trouble.text}`,
        trouble.reload && load());
  }
  if (isStandIn()) {
    add('warning', state.healths.has(state.wanted) ? 'The target is gone' : 'There is no such target',
        [nameOf(state.wanted), ' is not in the settings. ', nameOf(state.selected), ' is shown instead; nothing is done to it before you choose it.'],
        make('button', {type: 'button', 'data-choose': ''}, 'Choose it'));
  }
  if (status && !lost) {
    if (status.waiting_for.length > 0) add('warning', 'Not ready yet', status.waiting_for.slice(0, 3).join('; ') + (status.waiting_for.length > 3 ? ` and ${status.waiting_for.length - 3} more` : ''));
    if (!status.reload.successful) add('critical', 'The last reload of the settings failed', `previous settings stay in use: ${status.reload.error}`);
    if (status.page !== document.querySelector('meta[name=wal_exporter-page]').content) {
      add('warning', 'The exporter was updated', 'this page is the old one.', load());
    }
    setText($('about'), `influxdb_wal_exporter ${status.version}, running for ${formatSeconds((now() - Date.parse(status.started)) / 1000).split(' ')[0]}`);
  }
  fill($('notices'), notices);
  const link = $('link');
  link.hidden = false;
  const kind = lost ? 'lost' : state.streaming ? 'live' : 'polling';
  setAttribute(link, 'data-link', kind);
  setText($('link-text'), {lost: lost && trouble.link, live: 'live', polling: `every ${POLL / 1000} s`}[kind]);
};

const noteChanges = () => {
  const told = [];
  for (const target of state.targets) {
    const before = state.healths.get(target.name);
    if (before && before !== target.health) told.push(`${target.name} is now ${target.health}`);
    state.healths.set(target.name, target.health);
  }
  if (told.length > 0) announce(told.length > 3 ? `The health of ${told.length} targets changed` : told.join('. '));
};

const readTargets = async (whole) => {
  const all = whole || state.targets.length <= MANY || Date.now() - state.listRead > POLL_MANY;
  if (!all) {
    const {body} = await ask(pathOf(state.selected));
    state.targets = state.targets.map((target) => target.name === body.name ? body : target);
    return;
  }
  state.targets = (await ask('/api/v1/targets')).body.targets;
  state.listRead = Date.now();
};

const readStatus = async () => {
  const before = state.status;
  state.status = (await ask('/api/v1/status')).body;
  clockOffset = Date.parse(state.status.now) - Date.now();
  if (before && before.started !== state.status.started) {
    announce('The exporter was restarted.');
    state.historyOf = '';
  }
};

// An exporter that can't read them now has said nothing of them.
const askForEvents = async (query) => {
  try {
    return (await ask(`/api/v1/events?limit=100${query}`)).body.events;
  } catch (error) {
    if (error instanceof Refusal) return null;
    throw error;
  }
};

const merged = (fresh, known) => {
  const ids = new Set(fresh.map((event) => event.id));
  return fresh.concat(known.filter((event) => !ids.has(event.id)))
    .sort((left, right) => Date.parse(right.time) - Date.parse(left.time) || right.id - left.id).slice(0, 300);
};

// Of the chosen target by itself: among those of all, one that is busy leaves no room for it.
const readEvents = async () => {
  const name = state.selected;
  if (name === null) return;
  const both = wantsAll();
  const [own, all] = await Promise.all([askForEvents(`&target=${encodeURIComponent(name)}`), both ? askForEvents('') : null]);
  if (own && name === state.selected) state.events = merged(state.live.filter((event) => event.target === name), own);
  if (all || !both) state.eventsOfAll = all && merged(state.live, all);
};

const takeEvent = (event) => {
  state.live = merged([event], state.live);
  if (state.events && event.target === state.selected) state.events = merged([event], state.events);
  if (state.eventsOfAll) state.eventsOfAll = merged([event], state.eventsOfAll);
};

// Of the chosen target: samples and checkpoints; again after each checkpoint, one that did nothing too.
const readHistory = async () => {
  const target = current();
  if (!target) return;
  const {running, last_run: last} = target.checkpoint;
  const told = (state.events || []).find((event) => event.type === 'wal.checkpoint');
  const key = JSON.stringify([target.name, running && running.id, last && last.id, told && told.id, Math.floor(Date.now() / 300000)]);
  if (key === state.historyOf) return;
  // Not from its history: whatever else is recorded there leaves no room for them.
  const checkpoints = `/api/v1/events?limit=200&type=wal.checkpoint&target=${encodeURIComponent(target.name)}`;
  const [samples, {body}] = await Promise.all([ask(pathOf(target.name, '/samples')), ask(checkpoints)]);
  if (target.name !== state.selected) return;
  state.historyOf = key;
  state.runs = body.events.filter((event) => event.detail.outcome)
    .map((event) => ({...event.detail, time: event.time, ended: event.detail.ended || event.time}));
  chart.set(samples.body.samples, target.thresholds, state.runs);
};

const read = async (whole) => {
  try {
    await Promise.all([readTargets(whole), readStatus()]);
    if (state.lost) {
      announce('The exporter answers again.');
      state.lost = null;
      state.trouble = null;
    }
    adopt();
    if (!state.streaming || !state.events || (wantsAll() && !state.eventsOfAll)) await readEvents();
    noteChanges();
    show();
    await readHistory();
    show();
    listen();
  } catch (error) {
    if (error instanceof Refusal && error.status === 404) state.listRead = 0;
    else {
      const before = state.trouble;
      state.trouble = troubleOf(error);
      state.lost = state.lost || new Date().toISOString();
      if (!before || before.title !== state.trouble.title) announce(`${state.trouble.title}.`);
      if (error.status === 401) stopListening();
    }
  }
  showNotices();
};

// One at a time; one that is asked for meanwhile follows. `whole`: all targets.
const refresh = async (whole = false) => {
  if (reading) {
    again = whole || again === true;
    return;
  }
  clearTimeout(timer);
  reading = read(whole);
  await reading;
  reading = null;
  if (again !== null) {
    whole = again;
    again = null;
    refresh(whole);
  } else if (!document.hidden) {
    timer = setTimeout(refresh, state.trouble ? state.trouble.pause : POLL);
  }
};

const stopListening = () => {
  if (stopStream) stopStream();
  stopStream = null;
  state.streaming = false;
};

// Only while somebody looks: each stream takes one of the exporter's few places.
const listen = () => {
  if (stopStream || document.hidden || Date.now() < listenAfter) return;
  state.live = [];
  stopStream = openStream((event) => {
    takeEvent(event);
    refresh(true);
  }, () => {
    state.streaming = true;
    showNotices();
    // It begins with what comes: what was before that is asked for.
    readEvents().then(show, () => {});
  }, () => {
    // Where it did not begin there is no place left.
    listenAfter = Date.now() + (state.streaming ? 3000 : 20000);
    stopListening();
    refresh();
    showNotices();
  });
};

const turnTo = (name) => {
  state.wanted = name;
  show();
  showNotices();
  refresh();
  $('name').focus();
};

$('filter').addEventListener('input', () => showList(state.targets, state.selected));
$('events-all').addEventListener('change', () => {
  show();
  refresh();
});
$('checkpoint').addEventListener('click', (event) => dialog.open(current(), event.currentTarget));
$('notices').addEventListener('click', (event) => {
  if (event.target.closest('[data-reload]')) location.reload();
  if (event.target.closest('[data-choose]')) turnTo(state.selected);
});
// One whose address is there already makes no change of it.
$('targets').addEventListener('click', (event) => {
  if (event.target.closest('a')?.title === nameInHash()) turnTo(nameInHash());
});
addEventListener('hashchange', () => {
  if (nameInHash() !== null) turnTo(nameInHash());
});
document.addEventListener('visibilitychange', () => {
  clearTimeout(timer);
  if (document.hidden) stopListening();
  else refresh(true);
});
setInterval(() => {
  for (const element of document.querySelectorAll('[data-ago]')) setText(element, formatAgo(element.dateTime));
}, 1000);

refresh(true);
