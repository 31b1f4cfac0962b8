#!/usr/bin/env bash
# tools/check_layers.sh [ROOT]: holds the includes under src/ against the layers. The one list is loquat_module(NAME DEPS ...)
# in CMakeLists.txt: a folder may include itself and what its DEPS reach. Also: docs/architecture.md names the same DEPS;
# kernels, model, infer and train use no library but fmt and nlohmann-json; Boost stays in at most three .cc files; no file
# passes 700 lines (600 are the aim).
set -euo pipefail
root=${1:-$(dirname "$0")/..}
cd "$root"

mapfile -t files < <(find src -type f \( -name '*.h' -o -name '*.cc' -o -name '*.inc' -o -name '*.cu' \) | sort)
page=()
if [ -f docs/architecture.md ]; then page=(docs/architecture.md); fi

awk '
  function problem(text) { print text; problems++ }
  # all[m] holds " a b c ": the module itself and what it reaches. Modules are named lowest first.
  FILENAME == "CMakeLists.txt" {
    if ($0 !~ /^loquat_module\(/) next
    line = $0
    gsub(/^loquat_module\(|\).*$/, "", line)
    n = split(line, word, /[ \t]+/)
    name = word[1]
    known[name] = 1
    reach = " " name " "
    for (i = 3; i <= n; i++) {
      if (!(word[i] in all)) { problem("CMakeLists.txt:" FNR ": " name " depends on " word[i] ", which is not named above it"); continue }
      direct[name] = direct[name] " " word[i] " "
      m = split(all[word[i]], more, " ")
      for (j = 1; j <= m; j++) if (index(reach, " " more[j] " ") == 0) reach = reach more[j] " "
    }
    all[name] = reach
    next
  }
  FILENAME == "docs/architecture.md" {
    has_page = 1
    if ($0 !~ /^\|/) next
    split($0, cell, "|")
    name = cell[2]; gsub(/[ `\/]/, "", name); sub(/^src/, "", name)
    if (!(name in known)) next
    in_page[name] = 1
    deps = cell[4]
    gsub(/\([^)]*\)/, "", deps)
    if (deps ~ /all/) next
    gsub(/[,`]/, " ", deps); gsub(/–|—|-/, " ", deps)
    n = split(deps, word, " ")
    text = ""
    for (i = 1; i <= n; i++) {
      text = text " " word[i] " "
      if (index(direct[name], " " word[i] " ") == 0)
        problem("docs/architecture.md:" FNR ": " name " may include " word[i] ", which CMakeLists.txt does not name")
    }
    n = split(direct[name], word, " ")
    for (i = 1; i <= n; i++)
      if (index(text, " " word[i] " ") == 0)
        problem("docs/architecture.md:" FNR ": " name " may include " word[i] " by CMakeLists.txt, which this row does not name")
    next
  }
  function end_file() {
    if (file != "" && lines > 700) problem(file ": " lines " lines: at most 700 (600 are the aim): cut it")
    else if (file != "" && lines > 600) print "warning: " file ": " lines " lines: 600 are the aim"
  }
  FNR == 1 {
    end_file()
    file = FILENAME
    split(file, part, "/")
    module = part[2]
    if (!(module in known) && !(module in told)) {
      told[module] = 1
      problem("src/" module ": a folder that CMakeLists.txt does not name with loquat_module")
    }
  }
  { lines = FNR }
  /^[ \t]*#[ \t]*include[ \t]*"/ {
    target = $0
    sub(/^[^"]*"/, "", target); sub(/".*$/, "", target)
    folder = target
    if (sub(/\/.*$/, "", folder) == 0 || !(folder in known))
      problem(file ":" FNR ": includes \"" target "\": name it from src/, as \"folder/file.h\"")
    else if ((module in known) && index(all[module], " " folder " ") == 0)
      problem(file ":" FNR ": " module " may not include \"" target "\": it may use" all[module])
  }
  /^[ \t]*#[ \t]*include[ \t]*</ {
    target = $0
    sub(/^[^<]*</, "", target); sub(/>.*$/, "", target)
    library = target ~ /^(boost|CLI|toml\+\+|google|openssl|curl)\// || target ~ /^(pcre2|zlib|zstd|sqlite3|sodium)[a-z_]*\.h$/
    if (library && module ~ /^(kernels|model|infer|train)$/ && file !~ /_test\.cc$/)
      problem(file ":" FNR ": " module " may not include <" target ">: it uses the compiler, fmt and nlohmann-json alone")
    if (target ~ /^boost\//) {
      if (file !~ /\.cc$/) problem(file ":" FNR ": <" target "> in a header: Boost stays in .cc files")
      if (!(file in uses_boost)) { uses_boost[file] = 1; boost_files++; boost_list = boost_list " " file }
    }
  }
  END {
    end_file()
    if (boost_files > 3) problem("Boost is in " boost_files " files, at most three are meant:" boost_list)
    if (has_page) for (name in known) if (!(name in in_page)) problem("docs/architecture.md: no row for " name)
    if (problems) { print problems " problem" (problems == 1 ? "" : "s"); exit 1 }
    print "layers: no problem"
  }
' CMakeLists.txt "${page[@]}" "${files[@]}"
