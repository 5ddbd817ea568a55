import Glibc

exit(Session().run(Array(CommandLine.arguments.dropFirst())))
