#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <charconv>
#include <limits>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "metrics/render.h"
#include "metrics/serialize.h"

namespace wal_exporter::metrics {
namespace {

using prometheus::MetricFamily;
using prometheus::MetricType;

constexpr Duration kLifetime = std::chrono::seconds(1);

// A file of /proc, whose size is not known before it is read; empty if it can't be.
std::string read_proc(const char* path) {
  const Fd fd(::open(path, O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return {};
  constexpr std::size_t kLimit = 1 << 20;
  std::string text;
  char piece[4096];
  while (text.size() < kLimit) {
    const ssize_t got = ::read(fd.get(), piece, sizeof piece);
    if (got <= 0) break;
    text.append(piece, static_cast<std::size_t>(got));
  }
  return text;
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{}) return std::nullopt;
  return value;
}

// The fields of /proc/self/stat as proc(5) numbers them. The second, the name of
// the program, may hold blanks and brackets: counting starts after its end.
class Stat {
 public:
  Stat() : text_(read_proc("/proc/self/stat")) {
    const std::size_t end = text_.rfind(')');
    if (end == std::string::npos) return;
    std::istringstream rest(text_.substr(end + 1));
    std::string field;
    while (rest >> field) fields_.push_back(field);
  }

  [[nodiscard]] std::optional<double> field(std::size_t index) const {
    constexpr std::size_t kFirst = 3;
    return index - kFirst < fields_.size() ? number(fields_[index - kFirst]) : std::nullopt;
  }

 private:
  std::string text_;
  std::vector<std::string> fields_;
};

// When the machine started, in seconds since 1970.
std::optional<double> boot_time() {
  const std::string text = read_proc("/proc/stat");
  constexpr std::string_view kName = "\nbtime ";
  const std::size_t at = text.find(kName);
  if (at == std::string::npos) return std::nullopt;
  return number(std::string_view(text).substr(at + kName.size()));
}

std::optional<double> open_fds() {
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::opendir("/proc/self/fd"), &::closedir);
  if (!directory) return std::nullopt;
  int count = 0;
  while (const dirent* entry = ::readdir(directory.get())) {
    if (entry->d_name[0] != '.') ++count;
  }
  return count - 1;  // without the one that reads this directory
}

std::optional<double> max_fds() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::nullopt;
  return limit.rlim_cur == RLIM_INFINITY ? std::numeric_limits<double>::infinity()
                                         : static_cast<double>(limit.rlim_cur);
}

void write(TextWriter& out, const char* name, const char* help, MetricType type, std::optional<double> value) {
  if (!value) return;
  MetricFamily family{name, help, type, {}};
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.counter.value = *value;
  metric.gauge.value = *value;
  out.write(family);
}

std::optional<double> scaled(std::optional<double> value, double factor) {
  return value ? std::optional(*value * factor) : std::nullopt;
}

std::string compiler() {
#if defined(__clang__)
  return "clang " + std::to_string(__clang_major__) + "." + std::to_string(__clang_minor__);
#else
  return "g++ " + std::to_string(__GNUC__) + "." + std::to_string(__GNUC_MINOR__);
#endif
}

void write_build_info(TextWriter& out) {
  MetricFamily family{"influxdb_wal_exporter_build_info",
                      "Always 1; the labels say which version this is and what built it.",
                      MetricType::Gauge,
                      {}};
  prometheus::ClientMetric& metric = family.metric.emplace_back();
  metric.label = {{"version", WAL_EXPORTER_VERSION}, {"compiler", compiler()}};
  metric.gauge.value = 1;
  out.write(family);
}

// When this process started, in seconds since 1970.
std::optional<double> start_time() {
  const std::optional<double> booted = boot_time();
  const std::optional<double> ticks = Stat().field(22);
  if (!booted || !ticks) return std::nullopt;
  return *booted + *ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

void write_use(TextWriter& out) {
  const Stat stat;
  const double tick = 1.0 / static_cast<double>(::sysconf(_SC_CLK_TCK));
  const std::optional<double> user = stat.field(14);
  const std::optional<double> system = stat.field(15);
  if (user && system) {
    write(out, "process_cpu_seconds_total", "Processor time used, in user and system mode.", MetricType::Counter,
          (*user + *system) * tick);
  }
  write(out, "process_resident_memory_bytes", "Resident memory.", MetricType::Gauge,
        scaled(stat.field(24), static_cast<double>(::sysconf(_SC_PAGESIZE))));
  write(out, "process_virtual_memory_bytes", "Virtual memory.", MetricType::Gauge, stat.field(23));
  write(out, "process_open_fds", "Open file descriptors.", MetricType::Gauge, open_fds());
  write(out, "process_max_fds", "The most file descriptors that may be open.", MetricType::Gauge, max_fds());
  write(out, "process_threads", "Threads.", MetricType::Gauge, stat.field(20));
}

std::string read_process(std::optional<double> started, std::optional<Time> certificate_end, Own own) {
  TextWriter out;
  write_build_info(out);
  if (certificate_end) {
    write(out, "influxdb_wal_exporter_tls_certificate_expiry_timestamp_seconds",
          "When the certificate expires that the web server shows to new connections.", MetricType::Gauge,
          to_unix_seconds(*certificate_end));
  }
  if (own == Own::all) write_use(out);
  write(out, "process_start_time_seconds", "When the process started.", MetricType::Gauge, started);
  return out.take();
}

}  // namespace

std::string ProcessMetrics::render() {
  const SteadyTime now = clock_.steady();
  const MutexLock lock(mutex_);
  if (text_.empty() || now - read_at_ >= kLifetime) {
    if (!started_) started_ = start_time();
    text_ = read_process(started_, certificate_end_, own_);
    read_at_ = now;
  }
  return text_;
}

void ProcessMetrics::set_certificate_end(std::optional<Time> end) {
  const MutexLock lock(mutex_);
  certificate_end_ = end;
  text_.clear();
}

}  // namespace wal_exporter::metrics
