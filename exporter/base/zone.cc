#include "base/zone.h"

#include <date/tz.h>

#include <exception>

#include "base/text.h"

namespace wal_exporter {

Result<Zone> Zone::locate(const std::string& name) {
  Zone zone;
  if (name == "UTC" || name == "Z") return zone;
  try {
    zone.zone_ = date::locate_zone(name);
    zone.name_ = name;
    // The library reads a zone's file at its first use.
    static_cast<void>(zone.zone_->get_info(date::sys_seconds{}));
  } catch (const std::exception&) {
    return failure(ErrorKind::invalid, "'" + escape_control(name) +
                                           "' is not a time zone that this machine knows; write an IANA name such as "
                                           "Europe/Berlin, or UTC, and see that the package tzdata is installed");
  }
  return zone;
}

LocalTime Zone::to_local(Time time) const {
  if (zone_ == nullptr) return LocalTime(time.time_since_epoch());
  return zone_->to_local(time);
}

Time Zone::to_time(LocalTime local, Choose choose) const {
  if (zone_ == nullptr) return Time(local.time_since_epoch());
  const date::local_info info = zone_->get_info(local);
  // Clocks skip this local time. The jump is the instant at which the earlier offset ends.
  if (info.result == date::local_info::nonexistent) return Time(info.first.end);
  const bool last = info.result == date::local_info::ambiguous && choose == Choose::last;
  return Time(local.time_since_epoch() - (last ? info.second.offset : info.first.offset));
}

}  // namespace wal_exporter
