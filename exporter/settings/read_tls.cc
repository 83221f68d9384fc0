#include "settings/read_tls.h"

#include "settings/read_target.h"

namespace wal_exporter::settings {

void read_tls(const Section& section, const std::filesystem::path& folder, http::Tls& out) {
  read_path(section, "ca_file", folder, out.ca_file);
  read_path(section, "client_cert_file", folder, out.client_cert_file);
  read_path(section, "client_key_file", folder, out.client_key_file);
  section.boolean("insecure_skip_verify", out.insecure_skip_verify);
  if (out.client_cert_file.empty() == out.client_key_file.empty()) return;
  complain(section, out.client_key_file.empty() ? "client_cert_file" : "client_key_file",
           "client_cert_file and client_key_file go together; write both");
}

}  // namespace wal_exporter::settings
