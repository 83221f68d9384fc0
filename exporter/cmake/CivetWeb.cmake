# The target wal_exporter_civetweb. Debian's package of CivetWeb has neither TLS nor IPv6, so
# its source is built here, with the patches of web/civetweb/series; deploy/civetweb fetches it.
set(WAL_EXPORTER_CIVETWEB source CACHE STRING
    "source: build CivetWeb from WAL_EXPORTER_CIVETWEB_SOURCE; system: an installed one, without TLS, Unix sockets and keep-alive")
set(WAL_EXPORTER_CIVETWEB_SOURCE ${PROJECT_SOURCE_DIR}/build/civetweb/source CACHE PATH
    "Unpacked source of CivetWeb 1.15, as Debian's source package has it")
set_property(CACHE WAL_EXPORTER_CIVETWEB PROPERTY STRINGS source system)

if(WAL_EXPORTER_CIVETWEB STREQUAL system)
  find_package(civetweb REQUIRED)
  add_library(wal_exporter_civetweb INTERFACE)
  target_link_libraries(wal_exporter_civetweb INTERFACE civetweb::civetweb)
  target_compile_definitions(wal_exporter_civetweb INTERFACE WAL_EXPORTER_CIVETWEB_SYSTEM)
  return()
elseif(NOT WAL_EXPORTER_CIVETWEB STREQUAL source)
  message(FATAL_ERROR "WAL_EXPORTER_CIVETWEB must be source or system, not \"${WAL_EXPORTER_CIVETWEB}\"")
endif()

if(NOT EXISTS ${WAL_EXPORTER_CIVETWEB_SOURCE}/src/civetweb.c)
  message(FATAL_ERROR "there is no source of CivetWeb in ${WAL_EXPORTER_CIVETWEB_SOURCE}: run deploy/civetweb, which "
                      "fetches Debian's, or name an unpacked one with -DWAL_EXPORTER_CIVETWEB_SOURCE=DIR, or build "
                      "without TLS against an installed one with -DWAL_EXPORTER_CIVETWEB=system")
endif()

set(civetweb_patches ${CMAKE_CURRENT_SOURCE_DIR}/web/civetweb)
set(civetweb_folder ${CMAKE_CURRENT_BINARY_DIR}/civetweb)
set(civetweb_inputs include/civetweb.h src/civetweb.c src/handle_form.inl src/md5.inl src/openssl_dl.inl src/response.inl
                    src/sha1.inl)
file(STRINGS ${civetweb_patches}/series civetweb_series)
# What it is made of; anything else makes it anew.
set(civetweb_made)
foreach(file ${civetweb_inputs})
  file(SHA256 ${WAL_EXPORTER_CIVETWEB_SOURCE}/${file} hash)
  string(APPEND civetweb_made "${file} ${hash}\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${WAL_EXPORTER_CIVETWEB_SOURCE}/${file})
endforeach()
foreach(patch ${civetweb_series})
  file(SHA256 ${civetweb_patches}/${patch} hash)
  string(APPEND civetweb_made "${patch} ${hash}\n")
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${civetweb_patches}/${patch})
endforeach()
set(civetweb_before)
if(EXISTS ${civetweb_folder}/made)
  file(READ ${civetweb_folder}/made civetweb_before)
endif()
if(NOT civetweb_made STREQUAL civetweb_before)
  find_program(WAL_EXPORTER_PATCH patch REQUIRED)
  file(REMOVE_RECURSE ${civetweb_folder})
  foreach(file ${civetweb_inputs})
    configure_file(${WAL_EXPORTER_CIVETWEB_SOURCE}/${file} ${civetweb_folder}/${file} COPYONLY)
  endforeach()
  foreach(patch ${civetweb_series})
    execute_process(COMMAND ${WAL_EXPORTER_PATCH} --silent --strip=1 --fuzz=0 --input=${civetweb_patches}/${patch}
                    WORKING_DIRECTORY ${civetweb_folder} RESULT_VARIABLE status OUTPUT_VARIABLE said ERROR_VARIABLE said)
    if(NOT status EQUAL 0)
      message(FATAL_ERROR "${patch} does not fit the CivetWeb in ${WAL_EXPORTER_CIVETWEB_SOURCE}, which must be 1.15 as "
                          "Debian 12 has it: ${said}")
    endif()
  endforeach()
  file(WRITE ${civetweb_folder}/made "${civetweb_made}")
endif()

add_library(wal_exporter_civetweb STATIC ${civetweb_folder}/src/civetweb.c)
target_include_directories(wal_exporter_civetweb SYSTEM PUBLIC ${civetweb_folder}/include)
set(civetweb_options OPENSSL_API_3_0 NO_SSL_DL USE_IPV6 NO_CGI NO_CACHING NO_FILES)
target_compile_definitions(wal_exporter_civetweb PRIVATE ${civetweb_options})
# Not ours to mend, so its warnings are not ours to read.
target_compile_options(wal_exporter_civetweb PRIVATE -w -ffunction-sections -fdata-sections)
if(WAL_EXPORTER_SANITIZE)
  target_compile_options(wal_exporter_civetweb PRIVATE -fsanitize=${WAL_EXPORTER_SANITIZE} -fno-omit-frame-pointer)
endif()
target_link_libraries(wal_exporter_civetweb PUBLIC OpenSSL::SSL OpenSSL::Crypto Threads::Threads)
# For --version.
string(REPLACE ";" " " civetweb_options "${civetweb_options}")
target_compile_definitions(wal_exporter_civetweb INTERFACE WAL_EXPORTER_CIVETWEB_OPTIONS="${civetweb_options}")
