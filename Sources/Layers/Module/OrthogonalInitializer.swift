import System
import Tensors

/// Fills a matrix with a uniformly distributed orthogonal one: the Q of the QR decomposition, with
/// R's diagonal positive, of a matrix of standard normal numbers. It uses the Gram-Schmidt process,
/// and orthogonalizes twice, so that rounding errors do not accumulate.
func fillOrthogonally(_ tensor: Tensor, _ gain: Float, _ random: CountedRandom) {
  require(
    tensor.axisCount >= 2,
    "initialize: a tensor of shape \(tensor.shape) cannot be orthogonal; it needs 2 axes or more")
  let (rows, columns) = (tensor.shape[0], tensor.shape.dropFirst().reduce(1, *))
  let normals = random.standardNormals(rows * columns)
  let (count, width) = (min(rows, columns), max(rows, columns))
  var vectors: [[Double]] = []
  for i in 0..<count {
    var vector = Array(normals[i * width..<(i + 1) * width])
    for _ in 0..<2 {
      for known in vectors {
        let part = zip(vector, known).reduce(0) { $0 + $1.0 * $1.1 }
        for j in 0..<width { vector[j] -= part * known[j] }
      }
    }
    let length = vector.reduce(0) { $0 + $1 * $1 }.squareRoot()
    vectors.append(vector.map { $0 / length })
  }
  let values = tensor.pointer(Float.self)
  for row in 0..<rows {
    for column in 0..<columns {
      values[row * columns + column] =
        gain * Float(rows <= columns ? vectors[row][column] : vectors[column][row])
    }
  }
}
