# PCRE2 runs the pre-tokenizer patterns; nlohmann-json reads and writes tokenizer.json; utf8proc normalizes Unicode.
loquat_optional_libraries(LOQUAT_TEXT libpcre2-8 libutf8proc)
loquat_choose(${LOQUAT_TEXT} "pattern.cc;characters.cc" text_absent.cc)
target_link_libraries(${target} PUBLIC ${LOQUAT_TEXT_TARGETS} nlohmann_json::nlohmann_json)
