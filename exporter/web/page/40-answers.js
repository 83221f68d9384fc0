// The three things a person wants to know first, as words: {level, big, say}.

const QUICK_SECONDS = 30;
const SLOW_SECONDS = 300;

const restartAnswer = (target) => {
  if (!target.pending) return {level: 'unknown', big: 'is not known', say: ['No sample of the WAL has succeeded yet.']};
  if (target.vanished) return {level: 'critical', big: 'would lose data', say: [`Don't restart: ${target.vanished.detail}.`]};
  const worst = target.findings[0];
  const bad = worst && {
    stops_start: {level: 'critical', big: 'would be its last'},
    ends_at_write: {level: 'critical', big: 'would not help'},
    skipped: {level: 'warning', big: 'would lose data'}
  }[worst.effect];
  if (bad) return {...bad, say: [`Don't restart: ${worst.text}.`]};
  const seconds = target.forecast.replay_estimate_seconds;
  const level = seconds < QUICK_SECONDS ? 'healthy' : seconds < SLOW_SECONDS ? 'warning' : 'critical';
  const big = {healthy: 'would be quick', warning: 'would take a while', critical: 'would be slow'}[level];
  if (target.pending.files === 0) return {level, big, say: ['It would replay nothing: no file is pending.']};
  const say = [
    `Replay after a restart takes about ${formatSeconds(Math.max(seconds, 0.001))}: `,
    exactly(target.pending.files, formatFiles(target.pending.files), 'files'), ', ',
    exactly(target.pending.bytes, formatBytes(target.pending.bytes), 'bytes'), '.'
  ];
  if (target.health === 'unknown') {
    return {level: 'unknown', big: 'is not known', say: ['As last seen ', ago(target.sampled_at), ': ', ...say]};
  }
  return {level, big, say};
};

const etaText = (target) => {
  const {warning_eta_seconds: warning, critical_eta_seconds: critical} = target.forecast;
  if (critical === 0) return 'It is past its critical limit.';
  if (warning) return `The warning limit is about ${formatSeconds(Math.round(warning))} away.`;
  if (critical) return `The critical limit is about ${formatSeconds(Math.round(critical))} away.`;
  return warning === 0 ? 'It is past its warning limit.' : 'No limit is in sight.';
};

const walAnswer = (target) => {
  // Why stands above.
  if (!target.pending) return {level: 'unknown', big: 'cannot be read', say: ['No sample has succeeded yet.']};
  if (target.health === 'unknown') {
    return {level: 'unknown', big: 'cannot be read', say: ['The last successful sample was taken ', ago(target.sampled_at), '.']};
  }
  const level = target.health;
  if (target.vanished) return {level, big: 'lost files', say: [`${target.vanished.detail}.`]};
  // What was found weighs more than how much there is.
  const worst = target.findings[0];
  if (worst && ['stops_start', 'ends_at_write', 'skipped'].includes(worst.effect)) {
    return {level, big: 'holds files that it should not', say: [`${worst.text}.`]};
  }
  const cause = target.not_shrinking;
  const growth = target.forecast.growth_short;
  const rate = growth && growth.bytes_per_second;
  const growing = growth && (rate >= 1 || growth.files_per_second > 0);
  if (cause) {
    const waits = cause.cause === 'too_few_files';
    const own = waits ? 'healthy' : cause.cause === 'stalled' ? 'critical' : 'warning';
    return {
      level: bySeverity[own] < bySeverity[level] ? own : level,
      big: waits ? 'waits for more files' : `does not shrink: ${cause.cause}`,
      say: [cause.detail]
    };
  }
  const over = level === 'healthy' ? '' : `is at ${level}, `;
  if (!growth) return {level, big: over ? `is at ${level}` : 'is calm', say: ['How fast it grows is not known yet.']};
  if (growing) {
    const speed =
        rate >= 1 ? `${formatBytes(Math.round(rate))}/s` : `${formatSeconds(1 / growth.files_per_second)} per file`;
    return {level, big: `${over}grows by ${speed}`, say: [etaText(target)]};
  }
  return {level, big: `${over}does not grow`, say: ['Nothing was added lately.']};
};

const lastRunText = (target) => {
  const run = target.checkpoint.last_run;
  if (!run) {
    const when = target.checkpoint.last_checkpoint;
    return when ? ['The last checkpoint ended ', ago(when), '.'] : ['No checkpoint has been made yet.'];
  }
  const freed = run.reclaimed && run.reclaimed.files ? `, ${formatExtent(run.reclaimed)} freed` : '';
  return [
    `The last checkpoint (${run.reason}) `, chip(run.outcome), ' ', ago(run.ended),
    `${freed} in ${formatSeconds(run.duration_seconds)}.`
  ];
};

const exporterAnswer = (target) => {
  const {decision, checkpoint} = target;
  if (checkpoint.running) {
    return {
      level: 'running',
      big: 'makes a checkpoint',
      say: [`Asked for: ${checkpoint.running.reason}. Running since `, ago(checkpoint.running.started), '.']
    };
  }
  const last = lastRunText(target);
  const restart = {
    waiting: 'is about to restart InfluxDB',
    preparing: 'prepares a restart of InfluxDB',
    restarting: 'restarts InfluxDB',
    starting: 'waits for InfluxDB to start'
  }[target.restart.state];
  if (restart) return {level: 'critical', big: restart, say: [`By ${target.restart.method}. `, ...last]};
  if (target.paused) {
    return {
      level: 'warning',
      big: 'is paused',
      say: [
        target.paused_by ? `By ${target.paused_by}, ` : 'By a person, ',
        ...(target.paused_until ? ['until ', moment(target.paused_until)] : ['until it is resumed']), '. ', ...last
      ]
    };
  }
  if (decision.action === 'checkpoint') return {level: 'running', big: 'starts a checkpoint', say: last};
  if (decision.reason) {
    const by = decision.blockers.join(', ');
    return {
      level: 'warning',
      big: 'is held back',
      say: [`It wants a checkpoint (${decision.reason}); blocked by ${by}. `, ...last]
    };
  }
  if (target.health === 'unknown') return {level: 'unknown', big: 'waits for a sample', say: last};
  const failed = checkpoint.last_run && ['failed', 'unverified'].includes(checkpoint.last_run.outcome);
  return {level: failed ? 'warning' : 'healthy', big: 'has nothing to do', say: last};
};

const blockerList = (blockers) => make(
    'ul', {class: 'blockers'},
    blockers.map(
        ({blocker, why}) =>
            make('li', null, make('span', {class: 'tag', 'data-blocker': blocker, title: blocker}, blocker), why)));
