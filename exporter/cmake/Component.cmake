# wal_exporter_component(NAME DEPENDS a b LINK x::y): the folder NAME as a static library
# wal_exporter_NAME, which may include the headers of the folders it depends on. The
# table of who may depend on whom is held by tests/checks/structure.
function(wal_exporter_component NAME)
  cmake_parse_arguments(ARG "" "" "DEPENDS;LINK" ${ARGN})
  file(GLOB sources CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${NAME}/*.cc)
  if(NAME STREQUAL "app")
    list(FILTER sources EXCLUDE REGEX "/main\\.cc$")
  endif()
  set(scope PUBLIC)
  if(sources)
    add_library(wal_exporter_${NAME} STATIC ${sources})
    wal_exporter_compile_options(wal_exporter_${NAME})
    set(common <algorithm> <chrono> <filesystem> <functional> <map> <memory> <optional> <string> <vector>
               <tl/expected.hpp>)
    if(ARG_LINK MATCHES "nlohmann" OR NAME STREQUAL "app")
      list(APPEND common <nlohmann/json.hpp>)
    endif()
    if(NAME MATCHES "app|influxdb|web|wal")
      list(APPEND common <spdlog/logger.h>)
    endif()
    wal_exporter_precompile(wal_exporter_${NAME} ${common})
  else()
    add_library(wal_exporter_${NAME} INTERFACE)
    set(scope INTERFACE)
  endif()
  target_include_directories(wal_exporter_${NAME} ${scope} ${PROJECT_SOURCE_DIR}/exporter)
  list(TRANSFORM ARG_DEPENDS PREPEND wal_exporter_)
  target_link_libraries(wal_exporter_${NAME} ${scope} ${ARG_DEPENDS} ${ARG_LINK})
endfunction()

function(wal_exporter_compile_options TARGET)
  set_target_properties(${TARGET} PROPERTIES UNITY_BUILD ${WAL_EXPORTER_UNITY} UNITY_BUILD_BATCH_SIZE 0)
  target_compile_options(${TARGET} PRIVATE -Wall -Wextra -Wshadow -Wnon-virtual-dtor -Wold-style-cast -Wconversion
                                           -Wno-sign-conversion -Wimplicit-fallthrough)
  if(CMAKE_CXX_COMPILER_ID MATCHES "Clang")
    target_compile_options(${TARGET} PRIVATE -Wthread-safety)
  endif()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
    # False with std::string at -O2 in g++ 12.
    target_compile_options(${TARGET} PRIVATE -Wno-array-bounds -Wno-restrict -Wno-stringop-overflow -Wno-stringop-overread)
  endif()
  if(WAL_EXPORTER_UNITY AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # It looks for classes of headers that hold what is local to a file, and takes
    # a .cc that is included for a header.
    target_compile_options(${TARGET} PRIVATE -Wno-subobject-linkage)
  endif()
  if(WAL_EXPORTER_WERROR)
    target_compile_options(${TARGET} PRIVATE -Werror)
  endif()
  if(WAL_EXPORTER_SANITIZE)
    target_compile_options(${TARGET} PUBLIC -fsanitize=${WAL_EXPORTER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
    target_link_options(${TARGET} PUBLIC -fsanitize=${WAL_EXPORTER_SANITIZE})
  else()
    target_compile_definitions(${TARGET} PRIVATE $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
    # What nobody calls, of templates and of CivetWeb, takes no memory.
    target_compile_options(${TARGET} PRIVATE $<$<CONFIG:Release>:-ffunction-sections;-fdata-sections>)
    target_link_options(${TARGET} PUBLIC $<$<CONFIG:Release>:-Wl,--gc-sections>)
  endif()
endfunction()

# Headers that most files read, compiled once per target. Off in one of the builds
# of tests/run, so that every file keeps naming what it uses.
function(wal_exporter_precompile TARGET)
  if(WAL_EXPORTER_PCH)
    target_precompile_headers(${TARGET} PRIVATE ${ARGN})
  endif()
endfunction()
