// A program of a user of nndist:
//   mine trainer DIR     trains by a Trainer; resumes the run that is in DIR
//   mine loop DIR        trains by a loop of its own; resumes likewise
//   mine misuse KIND DIR does something wrong
//   mine library-error   catches errors of the library
//   mine gradient        compares the op's derivative with finite differences
//   mine ...             the command line of nndist, with this program's network, loss and data
import NNDist

let words = Array(CommandLine.arguments.dropFirst())
switch words.first {
case "trainer" where words.count == 2: try trainer(words[1])
case "loop" where words.count == 2: try loop(words[1])
case "misuse" where words.count == 3: try misuse(words[1], words[2])
case "library-error": try libraryErrors()
case "gradient": print("largest difference \(bendGradientError())")
default:
  try NNDistProgram.main(
    models: [
      "HillNet": { options in
        HillNet(
          width: try options.int("width", default: 16, in: 1...4096),
          blocks: try options.int("blocks", default: 2, in: 0...64),
          noise: try options.double("noise", default: 0.05, minimum: 0),
          centers: try options.bool("centers", default: false))
      }
    ],
    losses: [
      "hills": { options in
        HillLoss(
          weight: try options.double("weight", default: 0.5, minimum: 0), pause: Setting.pause)
      }
    ],
    datasets: [
      "hills": { options in
        .dataset(Hills(count: try options.int("count", default: 301, in: 1...1_000_000)))
      }
    ])
}
