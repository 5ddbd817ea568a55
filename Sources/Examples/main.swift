// Runs an example by name: swift run Examples 04-loop
// Several of them run on many ranks: mpirun -n 4 .build/release/Examples 04-loop
import NNDist

let examples: [(name: String, run: () throws -> Void)] = [
  ("01-tensors", tensors), ("02-gradient", gradient), ("03-module", module), ("04-loop", loop),
  ("05-trainer", trainer), ("06-dataset", dataset),
]
let wanted = CommandLine.arguments.dropFirst().first ?? ""
if let example = examples.first(where: { $0.name == wanted }) {
  try example.run()
} else {
  // Anything else is the command line of example 07: a program with networks of its own.
  try program()
}
