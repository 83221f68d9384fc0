// One target in depth.

const showAnswer = (id, answer) => {
  const card = $(id);
  setAttribute(card, 'data-level', answer.level);
  setText(card.querySelector('.big'), answer.big);
  fill(card.querySelector('.say'), answer.say);
};

const meter = (label, what, value, warning, critical, text) => {
  const top = Math.max(critical * 1.08, value);
  const place = (of) => `${Math.min(100, of / top * 100).toFixed(2)}%`;
  const element = make(
      'div', {class: 'meter'},
      make(
          'div', {class: 'meter-head'}, make('span', null, label),
          make('strong', null, exactly(value, text(value), what))),
      make(
          'div', {
            class: 'bar',
            role: 'meter',
            'aria-label': `Pending ${label.toLowerCase()}`,
            'aria-valuemin': 0,
            'aria-valuemax': Math.ceil(top),
            'aria-valuenow': value,
            'aria-valuetext': `${text(value)}; warning above ${text(warning)}, critical above ${text(critical)}`
          },
          make('div', {class: 'fill', 'data-width': place(value)}),
          make('div', {class: 'tick warning', 'data-left': place(warning)}),
          make('div', {class: 'tick critical', 'data-left': place(critical)})),
      make(
          'div', {class: 'meter-foot'}, make('span', null, `warning above ${text(warning)}`),
          make('span', null, `critical above ${text(critical)}`)));
  return element;
};

const showMeters = (target) => {
  const {pending, retained, kept_open: keptOpen, thresholds} = target;
  if (!pending) {
    $('meters').dataset.shows = '';
    fill($('meters'), make('p', null, 'Not known yet.'));
    setText($('retained'), '');
    return;
  }
  // The same numbers need no new elements: a screen reader may be on them.
  const key = JSON.stringify([pending.files, pending.bytes, thresholds]);
  if ($('meters').dataset.shows !== key) {
    $('meters').dataset.shows = key;
    $('meters').replaceChildren(
        meter(
            'Files', 'files', pending.files, thresholds.warning_files, thresholds.critical_files,
            (count) => count.toLocaleString('en')),
        meter('Size', 'bytes', pending.bytes, thresholds.warning_bytes, thresholds.critical_bytes, formatBytes));
    // The policy of this page lets no style attribute through, only this.
    for (const element of $('meters').querySelectorAll('[data-width]')) element.style.width = element.dataset.width;
    for (const element of $('meters').querySelectorAll('[data-left]')) element.style.left = element.dataset.left;
  }
  const since = pending.oldest_time && pending.files > 0 ? `The oldest is from ${formatAgo(pending.oldest_time)}.` : '';
  const kept = retained && retained.files > 0 ? ` Retained beside it, on purpose: ${formatExtent(retained)}.` : '';
  const open = keptOpen && keptOpen.files > 0 ?
      ` Persisted, but kept open by InfluxDB and replayed again by a restart: ${formatExtent(keptOpen)}.` :
      '';
  setText($('retained'), since + kept + open);
};

// By what InfluxDB does about the files.
const FINDINGS = {
  stops_start: ['critical', 'InfluxDB will not start again'],
  ends_at_write: ['critical', 'InfluxDB will exit at its next write'],
  skipped: ['warning', 'The next start loses writes'],
  doubtful: ['warning', 'A file needs attention'],
  harmless: []
};

const showTroubles = (target) => {
  const found = [];
  const add = (level, title, text) => found.push(
      make('p', {class: 'trouble', 'data-level': level}, make('strong', null, title), make('span', null, text)));
  if (target.health === 'unknown')
    add('critical', 'Health unknown', target.error || 'no current sample of the WAL');
  else if (target.error)
    add('warning', 'The last sample failed', target.error);
  for (const one of target.findings) {
    const [level, title] = FINDINGS[one.effect];
    if (level) add(level, title, one.text);
  }
  if (target.server && !target.server.up) add('warning', 'InfluxDB does not answer', target.server.error || '');
  const restart = target.restart.last;
  if (restart && !restart.success && now() - Date.parse(restart.time) < 24 * 3600e3) {
    add('critical', 'The last restart of InfluxDB went wrong', `${formatMoment(restart.time)}: ${restart.message}`);
  }
  fill($('troubles'), found);
};

const showFlags = (target) => {
  const tag = (text, title) => make('span', {class: 'tag', title}, text);
  fill(
      $('flags'), make('span', {id: 'health', class: `chip ${target.health}`}, target.health),
      target.paused && tag('paused', target.paused_until ? `until ${target.paused_until}` : null),
      target.dry_run && tag('dry run', 'it never acts'),
      target.watch_degraded && tag('watch degraded', target.watch_detail || ''));
};

const showDecision = (target) => {
  const {decision} = target;
  const {why, blocked_by: blockers} = decision;
  const verdict = decision.action === 'checkpoint' ? `Checkpoint, because: ${decision.reason}` :
      decision.reason ? `A checkpoint is wanted (${decision.reason}), and held back` :
                        'No action';
  const next = target.checkpoint.next_allowed;
  fill(
      $('decision'), make('p', {class: 'verdict'}, verdict), make('p', null, why),
      blockers.length > 0 && blockerList(blockers),
      next && Date.parse(next) > now() &&
          make('p', {class: 'quiet'}, 'The next one by itself is allowed ', ago(next), '.'));
};

// Of what comes from the exporter, and may not have come yet.
const notKnownYet = (tag) => make(tag, {class: 'quiet'}, 'Not known yet.');

const showRuns = (runs, running) => {
  if (!runs && !running) {
    fill($('runs'), notKnownYet('p'));
    return;
  }
  if (!running && runs.length === 0) {
    fill($('runs'), make('p', {class: 'quiet'}, 'None yet.'));
    return;
  }
  const cell = (name, kind, ...content) => make('td', {'data-name': name, class: kind}, ...content);
  const row = (run) => make(
      'tr', null, cell('When', 'nowrap', ago(run.ended || run.started || run.time)), cell('Asked for', '', run.reason),
      cell('Outcome', '', chip(run.outcome || 'running', run.outcome ? null : 'running')),
      cell('Freed', 'number nowrap', run.reclaimed && run.reclaimed.files ? formatExtent(run.reclaimed) : '–'),
      cell(
          'Took', 'number nowrap',
          typeof run.duration_seconds === 'number' ? formatSeconds(run.duration_seconds) : '–'));
  const head = ['When', 'Asked for', 'Outcome', 'Freed', 'Took'];
  fill(
      $('runs'),
      make(
          'table', {class: 'stack'},
          make(
              'thead', null,
              make(
                  'tr', null,
                  head.map((text, column) => make('th', {scope: 'col', class: column > 2 ? 'number' : null}, text)))),
          make('tbody', null, (running ? [running] : []).concat(runs || []).slice(0, 8).map(row))));
};

const showEvents = (events, target) => {
  if (!events || events.length === 0) {
    fill($('events'), events ? make('li', {class: 'quiet'}, 'Nothing has happened yet.') : notKnownYet('li'));
    return;
  }
  fill(
      $('events'),
      events.slice(0, 60).map(
          (event) => make(
              'li', {'data-type': event.type},
              make(
                  'div', {class: 'meta'}, chip(event.severity || 'info'), ago(event.time),
                  event.target !== target && nameOf(event.target)),
              make('div', null, event.summary))));
};

const showDetails = (target) => {
  const facts = [];
  const add = (term, ...value) => facts.push(make('dt', null, term), make('dd', null, ...value));
  add('InfluxDB', target.version ? `${target.version}.x` : 'not known yet',
      target.server ?
          `, ${target.server.up ? `answers (${target.server.version || 'no version'})` : 'does not answer'}` :
                                  '');
  add('WAL directory', make('bdi', null, target.wal_directory));
  add('Last sample', target.sampled_at ? ago(target.sampled_at) : 'none yet');
  add('Method', target.checkpoint.method || 'not known yet');
  if (target.checkpoint.last_success) add('Last success', ago(target.checkpoint.last_success));
  const {restart} = target;
  if (restart.enabled) add('Restarts', `by ${restart.method}, ${restart.remaining_today} left today`);
  if (restart.last) add('Last restart', ago(restart.last.time), `: ${restart.last.message}`);
  if (target.snapshot)
    add('Last snapshot', `number ${target.snapshot.sequence}, up to file ${target.snapshot.wal_file_sequence}, `,
        ago(target.snapshot.time));
  if (target.max_data_time) add('Newest data', ago(target.max_data_time));
  if (typeof target.filesystem_avail_bytes === 'number') add('Free space', formatBytes(target.filesystem_avail_bytes));
  if (target.vanished) add('Vanished', formatExtent(target.vanished));
  const freeForData = target.data_filesystem_avail_bytes;
  if (typeof freeForData === 'number' && freeForData !== target.filesystem_avail_bytes)
    add('Free space for data', formatBytes(freeForData));
  if (target.uncounted_folders) add('Not counted', plural(target.uncounted_folders, 'folder'));
  if (target.sequence_gaps) add('Gaps in the sequence', String(target.sequence_gaps));
  if (target.node) {
    add('Snapshot size', `${target.node.snapshot_size} files (${target.node.snapshot_size_from})`);
    add('Gen1 duration', `${formatSeconds(target.node.gen1_duration_seconds)} (${target.node.gen1_duration_from})`);
    const budget = target.node.snapshot_budget;
    if (budget) {
      add('Snapshots left', `${budget.remaining.toLocaleString('en')} of ${budget.limit.toLocaleString('en')}`,
          budget.days_left === null ? '' : `, ${formatSeconds(budget.days_left * 86400)} at this rate`);
    }
  }
  if (target.watch_degraded) add('Watch', `degraded: ${target.watch_detail || ''}`);
  for (const note of target.notes || []) add('Note', note);
  fill($('details'), facts);
};

const showTarget = (target) => {
  fill($('name'), nameOf(target.name));
  $('name').classList.toggle('long', target.name.length > 60);
  showFlags(target);
  showTroubles(target);
  showAnswer('restart', restartAnswer(target));
  showAnswer('wal', walAnswer(target));
  showAnswer('exporter', exporterAnswer(target));
  showMeters(target);
  showDecision(target);
  showDetails(target);
  fill(
      $('advice'),
      target.recommendations.length > 0 ? target.recommendations.map((text) => make('li', null, text)) :
                                          make('li', null, 'None while the health is unknown.'));
};
