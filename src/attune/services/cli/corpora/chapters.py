"""Which chapter of the Python Library Reference describes a module: Python 3.11 to 3.14, docs.python.org/3/library.

A submodule without a line of its own belongs to its package's chapter.
"""

OTHER = "other"

CHAPTERS = {
    "built-ins": "builtins",
    "text-processing": "string re difflib textwrap unicodedata stringprep readline rlcompleter sre_compile "
    "sre_constants sre_parse",
    "binary-data": "struct codecs encodings",
    "data-types": "datetime zoneinfo calendar collections heapq bisect array weakref types copy pprint reprlib enum "
    "graphlib",
    "numeric": "numbers math cmath decimal fractions random statistics",
    "functional": "itertools functools operator",
    "file-access": "pathlib os.path stat filecmp tempfile glob fnmatch linecache shutil",
    "persistence": "pickle copyreg shelve marshal dbm sqlite3",
    "compression": "compression zlib gzip bz2 lzma zipfile tarfile",
    "file-formats": "csv configparser tomllib netrc plistlib xdrlib",
    "cryptographic": "hashlib hmac secrets",
    "os-services": "os io time logging platform errno ctypes",
    "command-line": "argparse optparse getopt getpass fileinput curses cmd",
    "concurrent-execution": "threading multiprocessing concurrent subprocess sched queue contextvars",
    "networking": "asyncio socket ssl select selectors signal mmap asyncore asynchat",
    "internet-data": "email json mailbox mimetypes base64 binascii quopri mailcap uu",
    "markup": "html xml pyexpat",
    "internet-protocols": "webbrowser wsgiref urllib http ftplib poplib imaplib smtplib uuid socketserver xmlrpc "
    "ipaddress cgi cgitb nntplib telnetlib smtpd nturl2path",
    "multimedia": "wave colorsys aifc audioop chunk imghdr ossaudiodev sndhdr sunau",
    "i18n": "gettext locale",
    "frameworks": "turtle",
    "gui": "tkinter",
    "development-tools": "typing pydoc doctest unittest",
    "debugging": "bdb faulthandler pdb timeit trace tracemalloc profile cProfile pstats",
    "packaging": "ensurepip venv zipapp distutils",
    "runtime-services": "sys sysconfig warnings dataclasses contextlib abc atexit traceback __future__ gc inspect site "
    "annotationlib",
    "interpreters": "code codeop",
    "importing": "zipimport pkgutil modulefinder runpy importlib imp",
    "language-services": "ast symtable token keyword tokenize tabnanny pyclbr py_compile compileall dis pickletools "
    "opcode",
    "windows": "msvcrt winreg winsound msilib",
    "unix": "shlex pwd grp termios tty pty fcntl resource syslog crypt nis pipes spwd",
}

_CHAPTER_OF = {module: chapter for chapter, modules in CHAPTERS.items() for module in modules.split()}


def chapter_of(module: str) -> str:
    """The chapter of a dotted module name; OTHER where the reference has none."""
    name = module
    while name:
        if name in _CHAPTER_OF:
            return _CHAPTER_OF[name]
        name = name.rpartition(".")[0]
    return OTHER
