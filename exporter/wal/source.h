// WalSource: looks at one WAL. Never writes; follows links to folders as the server does.
#pragma once

#include <memory>
#include <stop_token>

#include "base/result.h"
#include "wal/sample.h"

namespace wal_exporter::wal {

class WalSource {
 public:
  virtual ~WalSource() = default;

  // One look. An error names the path and the remedy; nothing is remembered from
  // a failed sample. Calls are serialised by the source: safe from any thread.
  [[nodiscard]] virtual Result<std::shared_ptr<const Sample>> take_sample(std::stop_token stop) = 0;
};

}  // namespace wal_exporter::wal
