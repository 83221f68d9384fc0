// Whether files changed, by their contents. For certificates that are renewed in place: by a
// rename, by a write, through a link of Kubernetes' kind.
//
// Not thread-safe. Reads a file again only where its stat changed or is very new.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/time.h"

namespace wal_exporter::web {

class FilePrints {
 public:
  // One text for the contents of all these files, as they are now. One that can't be read has a
  // print, too.
  [[nodiscard]] std::string look(const std::vector<std::string>& files, Time now);

 private:
  struct Print {
    std::string stat;
    std::string hash;
  };
  std::map<std::string, Print> prints_;
};

}  // namespace wal_exporter::web
