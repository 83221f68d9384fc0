"""The exporter's own health."""

from build import (annotation, dashboard, datasource_variable, events, graph, heading, layout, link, now,
                   query, runbooks, runbooks_variable, stat, steps, timeline, to_dashboard, variable, words)
from palette import BAD, GOOD, NEUTRAL, PENDING

UID = "influxdb-wal-exporter"
TITLE = "InfluxDB WAL / Exporter"
SEL = 'job=~"$job",instance=~"$instance"'
YES_NO = words({0: ("no", BAD), 1: ("yes", GOOD)})
TARGET = "{{target}} ({{instance}})"
TARGET_LINK = [link("Target in depth", "/d/influxdb-wal-target?${datasource:queryparam}&var-job=${__field.labels.job:percentencode}"
                    "&var-instance=${__field.labels.instance:percentencode}&var-target=${__field.labels.target:percentencode}"
                    "&${__url_time_range}")]


def of(name, *labels):
    return name + "{" + ",".join((SEL, *labels)) + "}"


def wal(name):
    return of("influxdb_wal_" + name)


def own(name):
    return of("influxdb_wal_exporter_" + name)


def rate(series):
    return f"rate({series}[$__rate_interval])"


def sample_quantile(share):
    return f"histogram_quantile({share}, sum by (le, job, instance, target) ({rate(wal('sample_duration_seconds_bucket'))}))"


def at_a_glance():
    return [
        (4,
         (4, stat(1, "Up", "Whether Prometheus can scrape the exporter.", "none", [now(of("up"), "{{instance}}")],
                  mappings=words({0: ("down", BAD), 1: ("up", GOOD)}), fill=True, nothing="not scraped",
                  links=runbooks("ExporterDown"))),
         (3, stat(2, "Targets without a good sample", "Targets whose last sample of the WAL failed, or that had none yet.", "none",
                  [now(f"count({wal('last_sample_success')}) - sum({wal('last_sample_success')})", "targets")],
                  thresholds=steps(GOOD, (1, BAD)), decimals=0)),
         (4, stat(3, "Settings", "Whether the settings in use are those of the file as last read; refused: the ones before it are in use.",
                  "none", [now(own("config_last_reload_successful"), "{{instance}}")],
                  mappings=words({0: ("refused", BAD), 1: ("as in the file", GOOD)}),
                  links=runbooks("ConfigReloadFailed"))),
         (3, stat(30, "State", "Whether what must outlive a restart of the exporter is written to its state directory.", "none",
                  [now(own("state_kept"), "{{instance}}")], mappings=words({0: ("not kept", BAD), 1: ("kept", GOOD)}),
                  links=runbooks("StateNotKept"))),
         (3, stat(4, "Settings last read", "When the settings were last read well.", "dateTimeFromNow",
                  [now(f"1000 * {own('config_last_reload_success_timestamp_seconds')}", "{{instance}}")])),
         (3, stat(5, "Running for", "Time since the exporter started.", "s",
                  [now(f"time() - {of('process_start_time_seconds')}", "{{instance}}")], PENDING, decimals=0, links=runbooks("ExporterRestarting"))),
         (4, stat(6, "Version", "The version that runs, and what built it.", "none", [now(own("build_info"), "{{version}} ({{compiler}})")],
                  text="name"))),
        (5,
         (12, timeline(7, "Up over time", "Whether Prometheus could scrape the exporter.", [query(of("up"), "{{instance}}")],
                       words({0: ("down", BAD), 1: ("up", GOOD)}), links=runbooks("ExporterDown"), legend=False)),
         (12, timeline(8, "Last sample good", "Whether the last sample of each target's WAL succeeded. Click for the target.",
                       [query(wal("last_sample_success"), TARGET)], YES_NO, TARGET_LINK, legend=False))),
    ]


def sampling():
    return [
        heading(9, "Samples"),
        (8,
         (6, graph(10, "Samples", "Samples taken of the WAL, successful or not.", "cps",
                   [query(rate(wal("samples_total")), TARGET)], minimum=0, data_links=TARGET_LINK)),
         (6, events(11, "Samples that failed", "Samples of the WAL that failed.", "none",
                    [query(f"round(increase({wal('sample_failures_total')}[$__rate_interval]))", TARGET)], decimals=0,
                    data_links=TARGET_LINK)),
         (6, graph(12, "Duration of samples", "Duration of samples of the WAL: the median and what 95 of 100 stayed below.", "s",
                   [query(sample_quantile(0.5), f"median, {TARGET}"), query(sample_quantile(0.95), f"95 %, {TARGET}")],
                   minimum=0, interval="5m")),
         (6, graph(13, "Age of the last good sample", "After two intervals health is unknown and nothing acts.", "s",
                   [query(f"time() - {wal('sample_timestamp_seconds')}", TARGET)], minimum=0, data_links=TARGET_LINK,
                   links=runbooks("SampleStale")))),
        (5,
         (24, timeline(14, "Directory can't be watched", "yes: only the interval drives the samples, not changes in the directory.",
                       [query(wal("watch_degraded"), TARGET)], words({0: ("no", GOOD), 1: ("yes", NEUTRAL)}), TARGET_LINK,
                       runbooks("WatchDegraded"),
                       legend=False))),
    ]


def requests():
    return [
        heading(15, "Requests"),
        (8,
         (6, graph(16, "Requests by route", "HTTP requests answered.", "reqps",
                   [query(f"sum by (route) ({rate(own('http_requests_total'))})", "{{route}}")], minimum=0)),
         (6, graph(17, "Requests by status", "HTTP requests answered, by status code.", "reqps",
                   [query(f"sum by (code) ({rate(own('http_requests_total'))})", "{{code}}")], minimum=0)),
         (6, graph(18, "Duration of scrapes", "How long Prometheus waited for /metrics.", "s",
                   [query(of("scrape_duration_seconds"), "{{instance}}")], minimum=0)),
         (6, graph(19, "Series per scrape", "How many series a scrape brought.", "none",
                   [query(of("scrape_samples_scraped"), "{{instance}}")], minimum=0, decimals=0))),
    ]


def hooks():
    what = "Only where hooks are configured."
    return [
        heading(20, "Hooks"),
        (8,
         (6, graph(21, "Delivered", f"Events that each hook delivered. {what}", "cps",
                   [query(f"sum by (hook) ({rate(own('hook_deliveries_total'))})", "{{hook}}")], minimum=0)),
         (6, graph(22, "Failed", f"Requests of each hook that did not go well; they are tried again. {what}", "cps",
                   [query(f"sum by (hook) ({rate(own('hook_failures_total'))})", "{{hook}}")], minimum=0,
                   links=runbooks("HookFailing"))),
         (6, graph(23, "Dropped", f"Events that a hook never delivered: too old, too many, or refused. {what}", "cps",
                   [query(f"sum by (hook) ({rate(own('hook_dropped_total'))})", "{{hook}}")], minimum=0,
                   links=runbooks("HookDropping"))),
         (6, graph(24, "Waiting", f"Events that wait to be delivered by each hook. {what}", "none",
                   [query(f"sum by (hook) ({own('hook_queue_length')})", "{{hook}}")], minimum=0, decimals=0))),
    ]


def process():
    return [
        heading(25, "Process"),
        (8,
         (6, graph(26, "Memory", "Resident memory of the exporter.", "bytes",
                   [query(of("process_resident_memory_bytes"), "{{instance}}")], minimum=0, decimals=1)),
         (6, graph(27, "CPU", "Share of one core.", "percentunit",
                   [query(rate(of("process_cpu_seconds_total")), "{{instance}}")], minimum=0)),
         (6, graph(28, "Open files", "File descriptors in use, of those allowed.", "percentunit",
                   [query(f"{of('process_open_fds')} / {of('process_max_fds')}", "{{instance}}")], minimum=0)),
         (6, graph(29, "Threads", "Threads of the exporter.", "none",
                   [query(of("process_threads"), "{{instance}}")], minimum=0, decimals=0))),
    ]


def build():
    return dashboard(
        UID, TITLE, "The health of influxdb_wal_exporter itself: samples, requests, hooks, process.",
        [datasource_variable(),
         variable("job", "Job", "label_values(influxdb_wal_exporter_build_info, job)", True),
         variable("instance", "Exporter", 'label_values(influxdb_wal_exporter_build_info{job=~"$job"}, instance)', True),
         runbooks_variable()],
        layout(*at_a_glance(), *sampling(), *requests(), *hooks(), *process()),
        [to_dashboard("Overview", "influxdb-wal-overview"), to_dashboard("Target in depth", "influxdb-wal-target")],
        [annotation("Exporter started", f"changes({of('process_start_time_seconds')}[$__rate_interval])", NEUTRAL,
                    "exporter started", "{{instance}}", "instance"),
         annotation("Settings read", f"changes({own('config_last_reload_success_timestamp_seconds')}[$__rate_interval])",
                    PENDING, "settings read", "{{instance}}", "instance")])
