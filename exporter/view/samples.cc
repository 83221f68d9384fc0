#include "view/samples.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <tuple>

namespace wal_exporter::view {
namespace {

using policy::Health;

constexpr std::string_view kVersionLine = "samples 1\n";
constexpr std::uint64_t kUnknown = 3;  // written for unknown health; otherwise the enum's number

auto size_of(const SamplePoint& point) {
  return std::tie(point.pending.bytes, point.pending.files);
}

std::int64_t bucket_of(const SamplePoint& point) {
  return point.time.time_since_epoch() / SampleHistory::kBucket;
}

std::int64_t milliseconds_of(Time time) {
  return std::chrono::floor<std::chrono::milliseconds>(time).time_since_epoch().count();
}

void drop_front(std::vector<SamplePoint>& points, std::size_t count) {
  points.erase(points.begin(), points.begin() + static_cast<std::ptrdiff_t>(count));
}

tl::unexpected<Error> unreadable(std::size_t line) {
  return failure(ErrorKind::corrupt, "the kept samples can't be read: line " + std::to_string(line) + " is not one");
}

// Numbers in one line, with one space between them; false: it is something else.
template <std::size_t Count>
bool parse_line(std::string_view line, std::array<std::uint64_t, Count>& numbers) {
  const char* place = line.data();
  const char* const end = line.data() + line.size();
  for (std::size_t i = 0; i < Count; ++i) {
    if (i > 0 && (place == end || *place++ != ' ')) return false;
    const auto parsed = std::from_chars(place, end, numbers[i]);
    if (parsed.ec != std::errc()) return false;
    place = parsed.ptr;
  }
  return place == end;
}

}  // namespace

void SampleHistory::add(SamplePoint point) {
  while (!fine_.empty() && fine_.back().time >= point.time) fine_.pop_back();
  if (fine_.empty()) {
    while (!coarse_.empty() && coarse_.back().time >= point.time) coarse_.pop_back();
  }
  // The newest sample is always the last point. The next sample replaces it if the point
  // before it is close in time and the health is the same.
  const std::size_t count = fine_.size();
  const bool crowded = count >= 2 && point.time - fine_[count - 2].time < kFineSpacing &&
                       fine_[count - 1].health == point.health && fine_[count - 2].health == point.health;
  if (crowded) fine_.pop_back();
  fine_.push_back(point);
  expire();
}

void SampleHistory::add_gap(Time time) {
  const auto last = newest();
  if (!last) return;
  const bool known = fine_.empty() ? coarse_.back().health.has_value() : fine_.back().health.has_value();
  if (known) add({std::max(time, *last + std::chrono::milliseconds(1)), std::nullopt, {}, {}});
}

// Adds the point to the last bucket, which keeps only its largest and its smallest point.
// Gaps are kept as they are.
void SampleHistory::fold(const SamplePoint& point) {
  const std::size_t count = coarse_.size();
  const bool full = count >= 2 && bucket_of(coarse_[count - 1]) == bucket_of(point) &&
                    bucket_of(coarse_[count - 2]) == bucket_of(point) && point.health && coarse_[count - 1].health &&
                    coarse_[count - 2].health;
  coarse_.push_back(point);
  if (!full) return;
  const auto first = coarse_.end() - 3;
  const auto [smallest, largest] =
      std::minmax_element(first, coarse_.end(), [](const auto& a, const auto& b) { return size_of(a) < size_of(b); });
  // The three positions 0, 1, 2 add up to 3, so this is the one that is neither the smallest
  // nor the largest. If all three are equal it is the middle one.
  coarse_.erase(first + (3 - (smallest - first) - (largest - first)));
}

void SampleHistory::expire() {
  const Time now = fine_.back().time;
  std::size_t old = 0;
  while (old < fine_.size() && (fine_[old].time < now - kFineSpan || fine_.size() - old > kMostFine)) {
    fold(fine_[old++]);
  }
  drop_front(fine_, old);
  const auto kept =
      std::find_if(coarse_.begin(), coarse_.end(), [&](const auto& point) { return point.time >= now - kSpan; });
  auto gone = static_cast<std::size_t>(kept - coarse_.begin());
  if (coarse_.size() - gone > kMostCoarse) gone = coarse_.size() - kMostCoarse;
  drop_front(coarse_, gone);
}

std::vector<SamplePoint> SampleHistory::points(std::optional<Time> since, std::size_t limit) const {
  std::vector<SamplePoint> out;
  out.reserve(std::min(size(), limit));
  std::size_t left = size();
  for (const auto* part : {&coarse_, &fine_}) {
    for (const auto& point : *part) {
      if (left-- > limit || (since && point.time < *since)) continue;
      out.push_back(point);
    }
  }
  return out;
}

std::optional<Time> SampleHistory::newest() const {
  if (!fine_.empty()) return fine_.back().time;
  if (!coarse_.empty()) return coarse_.back().time;
  return std::nullopt;
}

std::string SampleHistory::to_text() const {
  constexpr std::size_t kUsualLine = 40;
  std::string out(kVersionLine);
  out.reserve(out.size() + kUsualLine * size());
  std::array<char, 6 * 21> line{};  // six numbers of at most 20 characters, each with what follows it
  std::int64_t before = 0;
  for (const auto* part : {&coarse_, &fine_}) {
    for (const auto& point : *part) {
      // Milliseconds since the previous point: short, and the times can only ascend.
      const std::int64_t time = milliseconds_of(point.time);
      char* end = std::to_chars(line.begin(), line.end(), time - before).ptr;
      before = time;
      const std::uint64_t health = point.health ? static_cast<std::uint64_t>(*point.health) : kUnknown;
      for (const std::uint64_t number :
           {health, point.pending.files, point.pending.bytes, point.retained.files, point.retained.bytes}) {
        *end++ = ' ';
        end = std::to_chars(end, line.end(), number).ptr;
      }
      *end++ = '\n';
      out.append(line.begin(), end);
    }
  }
  return out;
}

Result<SampleHistory> SampleHistory::from_text(std::string_view text) {
  SampleHistory history;
  if (!text.starts_with(kVersionLine)) return unreadable(1);
  text.remove_prefix(kVersionLine.size());
  constexpr std::uint64_t kLatest = 9'000'000'000'000;  // in the year 2255: nanoseconds still fit
  std::uint64_t time = 0;
  for (std::size_t line = 2; !text.empty(); ++line) {
    const auto end = text.find('\n');
    std::array<std::uint64_t, 6> numbers{};
    if (end == std::string_view::npos || !parse_line(text.substr(0, end), numbers)) return unreadable(line);
    text.remove_prefix(end + 1);
    if (numbers[0] > kLatest || numbers[1] > kUnknown) return unreadable(line);
    time += numbers[0];
    if (time > kLatest || line > kMostCoarse + kMostFine + 2) return unreadable(line);
    SamplePoint point;
    point.time = Time(std::chrono::milliseconds(time));
    if (numbers[1] != kUnknown) point.health = policy::kHealths[numbers[1]];
    point.pending = {numbers[2], numbers[3]};
    point.retained = {numbers[4], numbers[5]};
    history.fine_.push_back(point);
  }
  history.fine_.shrink_to_fit();
  if (!history.fine_.empty()) history.expire();
  return history;
}

}  // namespace wal_exporter::view
