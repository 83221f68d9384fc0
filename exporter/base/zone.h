// Time zones by their IANA names, from the machine's tzdata.
//
// A Zone has been read whole when locate() returns; after that it is a value:
// no file is touched, safe from any thread.
#pragma once

#include <date/date.h>

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/time.h"

namespace date {
class time_zone;
}

namespace wal_exporter {

// What a clock on the wall shows; which instant that is depends on the zone.
using LocalTime = date::local_time<Duration>;

class Zone {
 public:
  Zone() = default;  // UTC

  // "Europe/Berlin", "UTC". Unknown, or no tzdata on this machine: an error that
  // says so and what to do.
  [[nodiscard]] static Result<Zone> locate(const std::string& name);

  [[nodiscard]] const std::string& name() const { return name_; }
  [[nodiscard]] LocalTime to_local(Time time) const;

  // A time that the clock shows twice (daylight saving ends) is its first or its
  // last instant; one that it leaves out is the instant of the jump.
  enum class Choose { first, last };
  [[nodiscard]] Time to_time(LocalTime local, Choose choose) const;

  friend bool operator==(const Zone&, const Zone&) = default;

 private:
  std::string name_ = "UTC";
  const date::time_zone* zone_ = nullptr;  // nullptr: UTC; owned by the library for good
};

}  // namespace wal_exporter
