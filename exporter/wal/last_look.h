// The last look at a WAL in a few kilobytes, so that the next process of ours can tell what
// vanished (vanished.h) since this one looked. Pure functions; safe from any thread.
#pragma once

#include <memory>
#include <string>

#include "wal/sample.h"

namespace wal_exporter::wal {

// Of 1.x and 2.x at most 1000 segments, of 3.x runs of pending files with their sizes together.
[[nodiscard]] std::string last_look_text(const Sample& sample);
// A sample that holds that and nothing else; nullptr: it can't be read.
[[nodiscard]] std::shared_ptr<const Sample> last_look_from(const std::string& text);

}  // namespace wal_exporter::wal
