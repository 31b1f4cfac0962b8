# toml++ is used as headers alone (toml.cc).
loquat_optional_libraries(LOQUAT_PACKED zlib libzstd)
loquat_optional_header(LOQUAT_TOML toml++/toml.h)
loquat_choose(${LOQUAT_PACKED} packed.cc packed_absent.cc)
loquat_choose(${LOQUAT_TOML} toml.cc toml_absent.cc)
target_link_libraries(${target} PRIVATE ${LOQUAT_PACKED_TARGETS} nlohmann_json::nlohmann_json)
