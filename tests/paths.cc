#include "paths.h"

namespace wal_exporter::tests {

const char* const kFixtures = WAL_EXPORTER_SOURCE "/tests/fixtures";
const char* const kSource = WAL_EXPORTER_SOURCE;

}  // namespace wal_exporter::tests
