// Where the tests' own files lie. In one object, so that no other depends on the
// folder the sources are in, and a compiler cache serves every checkout.
#pragma once

namespace wal_exporter::tests {

extern const char* const kFixtures;  // tests/fixtures
extern const char* const kSource;    // the top of the repository

}  // namespace wal_exporter::tests
