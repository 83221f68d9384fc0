// The section tls_server_config of the web configuration file.
#pragma once

#include <optional>
#include <string_view>

#include "base/yaml.h"
#include "web/tls_settings.h"
#include "web/web_reader.h"

namespace wal_exporter::web {

inline constexpr std::string_view kTlsSection = "tls_server_config";

// nullopt: it says nothing, so there is no TLS. Mistakes are the reader's; with any, the settings
// are of no use.
[[nodiscard]] std::optional<TlsSettings> read_tls(WebReader& reader, const YamlEntry& entry);

}  // namespace wal_exporter::web
