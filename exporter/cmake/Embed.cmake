# The status page as part of the program. Run as a script at build time:
#   cmake -DPAGE=exporter/web/page -DCHARTS=dygraph.min.js -DOUTPUT=DIR -P Embed.cmake
# writes DIR/page_data.cc and beside it the files that it takes in with .incbin, so
# that they lie in read-only memory and are never copied. Each asset's address
# holds the beginning of its SHA-256: what is cached under it never changes.

cmake_minimum_required(VERSION 3.25)

# Every part is one function; together they are one script.
file(GLOB parts ${PAGE}/*.js)
list(SORT parts)
set(script "'use strict';\n(() => {\n")
foreach(part IN LISTS parts)
  file(READ ${part} text)
  string(APPEND script "${text}")
endforeach()
string(APPEND script "})();\n")
file(WRITE ${OUTPUT}/page.js "${script}")
configure_file(${PAGE}/page.css ${OUTPUT}/page.css COPYONLY)

# Without the address of a source map, which is not here.
file(READ ${CHARTS} text)
string(REGEX REPLACE "\n//# sourceMappingURL=[^\n]*\n?$" "\n" text "${text}")
file(WRITE ${OUTPUT}/charts.js "${text}")

file(READ ${PAGE}/page.html page)
set(symbols)
set(entries)
foreach(name page.css page.js charts.js)
  file(SHA256 ${OUTPUT}/${name} hash)
  string(SUBSTRING ${hash} 0 16 hash)
  get_filename_component(stem ${name} NAME_WE)
  get_filename_component(ending ${name} LAST_EXT)
  set(address "${stem}-${hash}${ending}")
  string(REPLACE "@${name}@" "/assets/${address}" page "${page}")
  set(type "text/css; charset=utf-8")
  if(ending STREQUAL ".js")
    set(type "text/javascript; charset=utf-8")
  endif()
  string(REPLACE "." "_" symbol ${name})
  execute_process(COMMAND gzip -9 -n -c ${OUTPUT}/${name} OUTPUT_FILE ${OUTPUT}/${name}.gz COMMAND_ERROR_IS_FATAL ANY)
  string(APPEND symbols "WAL_EXPORTER_EMBED(${symbol}, \"${OUTPUT}/${name}\")\n"
         "WAL_EXPORTER_EMBED(${symbol}_gz, \"${OUTPUT}/${name}.gz\")\n")
  string(APPEND entries
         "      {\"${address}\", \"${type}\", \"\\\"${hash}\\\"\", bytes(wal_exporter_${symbol}_begin, wal_exporter_${symbol}_end),\n"
         "       \"\\\"${hash}-gz\\\"\", bytes(wal_exporter_${symbol}_gz_begin, wal_exporter_${symbol}_gz_end)},\n")
endforeach()
string(SHA256 version "${page}")
string(SUBSTRING ${version} 0 16 version)
string(REPLACE "@version@" "${version}" page "${page}")
file(WRITE ${OUTPUT}/page.html "${page}")
string(APPEND symbols "WAL_EXPORTER_EMBED(page_html, \"${OUTPUT}/page.html\")\n")

file(WRITE ${OUTPUT}/page_data.cc "// Written by exporter/cmake/Embed.cmake.
#include \"web/assets.h\"

#define WAL_EXPORTER_EMBED(name, path)                                                        \\
  __asm__(\".pushsection .rodata\\n\"                                                    \\
          \".balign 16\\n\"                                                              \\
          \"wal_exporter_\" #name \"_begin:\\n\"                                                   \\
          \".incbin \\\"\" path \"\\\"\\n\"                                                  \\
          \"wal_exporter_\" #name \"_end:\\n\"                                                     \\
          \".byte 0\\n\"                                                                 \\
          \".popsection\\n\");                                                           \\
  extern const char wal_exporter_##name##_begin[] __attribute__((visibility(\"hidden\")));      \\
  extern const char wal_exporter_##name##_end[] __attribute__((visibility(\"hidden\")));

extern \"C\" {
${symbols}}

namespace wal_exporter::web {
namespace {

std::string_view bytes(const char* begin, const char* end) {
  return {begin, static_cast<std::size_t>(end - begin)};
}

}  // namespace

std::span<const Asset> assets() {
  static const Asset kAssets[] = {
${entries}  };
  return kAssets;
}

std::string_view page_template() {
  return bytes(wal_exporter_page_html_begin, wal_exporter_page_html_end);
}

std::string_view page_version() {
  return \"${version}\";
}

}  // namespace wal_exporter::web
")
