// The checkpoint button: plan, confirmation, result.

const methods = {
  backup: 'each shard with pending data is backed up, which makes InfluxDB empty its WAL first',
  nudge: 'points are written, so that InfluxDB’s own rule makes it snapshot',
  http: 'the request that the settings describe',
  none: 'this target is only watched',
};

class CheckpointDialog {
  // `onEnd` after each answer: what is shown should be read again.
  constructor(onEnd) {
    this.onEnd = onEnd;
    this.turn = 0;
    this.dialog = $('dialog');
    this.dialog.addEventListener('close', () => {
      this.turn += 1;
      // Its target may be gone meanwhile.
      (this.opener.disabled ? $('name') : this.opener).focus();
    });
  }

  open(target, opener) {
    this.opener = opener;
    this.target = target;
    this.mode = 'patient';
    this.parts = null;
    this.show(
        ['Checkpoint of ', nameOf(target.name)], [this.working('Working out what it would do')],
        [this.closing('Cancel')]);
    this.dialog.showModal();
    $('dialog-title').focus();
    this.plan();
  }

  show(title, body, buttons) {
    if (title) $('dialog-title').replaceChildren(...title);
    $('dialog-body').replaceChildren(...body);
    $('dialog-buttons').replaceChildren(...buttons);
  }

  working(text) {
    return make('p', {role: 'status'}, make('span', {class: 'busy', 'aria-hidden': 'true'}), `${text}…`);
  }

  closing(text) { return make('button', {type: 'button', onclick: () => this.dialog.close()}, text); }

  async plan() {
    const turn = ++this.turn;
    let plan;
    try {
      plan = (await ask(pathOf(this.target.name, `/checkpoint-plan?mode=${this.mode}`))).body;
    } catch (error) {
      if (turn === this.turn)
        this.result('refused', 'No plan could be made', error.message, error.body && error.body.remedy);
      return;
    }
    if (turn !== this.turn) return;
    const {why, blocked_by: blockers} = plan;
    const facts = [[
      'Method',
      plan.method ? `${plan.method}${methods[plan.method] ? `: ${methods[plan.method]}` : ''}` : 'not known yet'
    ]];
    if (plan.points > 0)
      facts.push(
          ['Points to write', plural(plan.points, 'point')], ['Mode', plan.mode === 'patient' ? 'patient' : 'at once']);
    if (plan.duration_seconds > 0) facts.push(['Takes about', formatSeconds(plan.duration_seconds)]);
    for (const {shard, measurement, time, why_not: whyNot} of plan.rewrites)
      facts.push([
        'Kept open',
        whyNot ? `${shard}: no point is written again: ${whyNot}` :
                 `${shard}: writes a point of ${measurement} at ${formatMoment(time)} again exactly, which frees the file`
      ]);
    if (plan.not_before) facts.push(['Not before', formatMoment(plan.not_before)]);
    if (plan.snapshot_budget_remaining !== null)
      facts.push(['Snapshots left', plan.snapshot_budget_remaining.toLocaleString('en')]);
    const terms = make('dl', null, facts.map(([term, value]) => [make('dt', null, term), make('dd', null, value)]));
    const held = blockers.length > 0 ?
        [make('p', null, make('strong', null, 'It would be refused now:')), blockerList(blockers)] :
        [];
    const choice = blockers.length > 0 ? 'Ask for it anyway' : 'Start the checkpoint';
    const {parts} = this;
    if (parts && plan.method === 'nudge') {
      // Of another mode: the rest stays in its place, and the focus with it.
      fill(parts.plan, make('p', null, why), terms);
      fill(parts.held, held);
      setText(parts.start, choice);
      parts.start.disabled = false;
      return;
    }
    this.parts = {
      plan: make('div', {'aria-live': 'polite'}, make('p', null, why), terms),
      held: make('div', {class: 'held'}, held),
      start: make('button', {type: 'button', class: 'primary', id: 'start', onclick: () => this.start()}, choice)
    };
    // Who is about to cancel must not find the other button there.
    const cancelling = $('dialog-buttons').contains(document.activeElement);
    this.show(
        null, [this.parts.plan, plan.method === 'nudge' && this.modes(), this.parts.held].filter(Boolean),
        [this.closing('Cancel'), this.parts.start]);
    (cancelling ? $('dialog-buttons').firstChild : this.parts.start).focus();
  }

  modes() {
    const radio = (value, text) => make(
        'label', null, make('input', {
          type: 'radio',
          name: 'mode',
          value,
          checked: this.mode === value,
          onchange: () => {
            this.mode = value;
            // Until what it would do is known.
            this.parts.start.disabled = true;
            this.plan();
          }
        }),
        ` ${text}`);
    return make(
        'fieldset', null, make('legend', null, 'How'),
        radio('patient', 'Patient: wait for the next gen1 boundary, leave nothing behind but its rows'),
        radio('at_once', 'At once: delays the server’s own next snapshot; for right before a restart'));
  }

  async start() {
    const turn = ++this.turn;
    this.show(null, [this.working('The checkpoint runs')], [this.closing('Close, let it run')]);
    $('dialog-title').focus();
    let answer;
    try {
      answer =
          await ask(pathOf(this.target.name, `/checkpoint?wait=10s&mode=${this.mode}`), {method: 'POST', seconds: 40});
      while (answer.status === 202 || answer.body.state === 'running') {
        this.location = answer.location || this.location;
        await new Promise((resolve) => setTimeout(resolve, 1000));
        answer = await ask(this.location);
      }
    } catch (error) {
      this.onEnd();
      this.refused(error, turn);
      return;
    }
    this.onEnd();
    const {body} = answer;
    const run = body.run || (body.id ? body : null);
    const outcome = body.outcome || (body.state === 'no_op' ? 'no_op' : 'succeeded');
    this.outcome(outcome, body.message, run, turn);
  }

  refused(error, turn) {
    const body = error.body || {};
    if (body.run && body.run.outcome) {
      this.outcome(body.run.outcome, error.message, body.run, turn);
    } else if (body.state === 'blocked') {
      if (turn !== this.turn) return;
      announce('The checkpoint was refused.');
      this.show(
          null, [make(
                    'div', {class: 'result', 'data-outcome': 'blocked', role: 'alert'},
                    make('p', null, make('strong', null, 'Refused')), make('p', null, body.why),
                    blockerList(body.blocked_by))],
          [this.closing('Close')]);
      $('dialog-buttons').firstChild.focus();
    } else {
      const text = error.status ?
          error.message :
          'The exporter did not answer; the list of checkpoints shows whether it runs.';
      this.result('refused', error.status === 403 ? 'Not allowed' : 'It did not work', text, body.remedy, turn);
    }
  }

  outcome(outcome, message, run, turn) {
    const facts = [];
    if (run && run.duration_seconds !== null) facts.push(['Took', formatSeconds(run.duration_seconds)]);
    if (run && run.reclaimed) facts.push(['Freed', formatExtent(run.reclaimed)]);
    announce(`Checkpoint of ${this.target.name}: ${outcome}. ${message || ''}`);
    if (turn !== this.turn) return;
    this.show(
        null,
        [
          make(
              'div', {class: 'result', 'data-outcome': outcome}, make('p', null, chip(outcome)),
              make('p', null, message || '')),
          make('dl', null, facts.map(([term, value]) => [make('dt', null, term), make('dd', null, value)]))
        ],
        [this.closing('Close')]);
    $('dialog-buttons').firstChild.focus();
  }

  result(outcome, title, text, remedy, turn = this.turn) {
    announce(`${title}. ${text}`);
    if (turn !== this.turn) return;
    this.show(
        null,
        [make(
            'div', {class: 'result', 'data-outcome': outcome}, make('p', null, make('strong', null, title)),
            make('p', null, text), remedy ? make('p', null, make('strong', null, 'What helps: '), remedy) : null)],
        [this.closing('Close')]);
    $('dialog-buttons').firstChild.focus();
  }
}
