// From a View to the text that /metrics serves (Prometheus text format 0.0.4).
//
// Pure but for ProcessMetrics; safe from any thread.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/mutex.h"
#include "view/view.h"

namespace wal_exporter::metrics {

// All influxdb_wal_* families with a target label, and the reload families.
// Values that are not known are absent, never 0.
[[nodiscard]] std::string render(const view::View& view);

// What a scrape of one target alone gets: its influxdb_wal_* families, with the label, and whether
// and in which time it could be looked at (probe_success, probe_duration_seconds).
[[nodiscard]] std::string render_probe(const view::TargetView& target, bool success, Duration took);

// Renders the same text, but reuses the text of each target whose TargetView is the same
// object as in the previous call. With hundreds of targets, of which one has changed, that
// saves most of the work. Not thread-safe.
class Renderer {
 public:
  [[nodiscard]] std::string render(const view::View& view);

 private:
  // The values of one target, family after family.
  struct Piece {
    std::string text;
    std::vector<std::size_t> ends;  // one per family, offsets into `text`
  };
  using Pieces = std::map<std::shared_ptr<const view::TargetView>, Piece>;

  [[nodiscard]] static Piece render_target(const view::TargetView& target);

  Pieces pieces_;
};

// Requests by (route, status code); counted by web/. Safe from any thread.
class RequestCounters {
 public:
  void count(const std::string& route, int code);
  // influxdb_wal_exporter_http_requests_total
  [[nodiscard]] std::string render() const;

 private:
  mutable Mutex mutex_;
  std::map<std::pair<std::string, int>, std::uint64_t> counts_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

// What the exporter tells of its own process and its requests. Alerts need its version and
// start; what else there is may be left out.
enum class Own { all, needed };

// influxdb_wal_exporter_build_info, the end of the server's certificate, and the standard
// process_* families, read from /proc/self at most once a second; Own::needed: of those the
// start alone.
class ProcessMetrics {
 public:
  explicit ProcessMetrics(const Clock& clock, Own own = Own::all) : clock_(clock), own_(own) {}
  [[nodiscard]] std::string render();
  // Of the certificate that the server shows from now on; nullopt: none, it speaks no TLS.
  void set_certificate_end(std::optional<Time> end);

 private:
  const Clock& clock_;
  const Own own_;
  Mutex mutex_;
  std::optional<Time> certificate_end_ WAL_EXPORTER_GUARDED_BY(mutex_);
  std::string text_ WAL_EXPORTER_GUARDED_BY(mutex_);
  SteadyTime read_at_ WAL_EXPORTER_GUARDED_BY(mutex_){};
  // Read once: the kernel tells it by the wall clock, and moves it as that is set.
  std::optional<double> started_ WAL_EXPORTER_GUARDED_BY(mutex_);
};

}  // namespace wal_exporter::metrics
