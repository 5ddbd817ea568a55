/// The sum of `leaves` as written out by the rule itself: a node of n > 1 leaves splits after the
/// largest power of two below n.
func written(_ leaves: Range<Int>) -> String {
  if leaves.count == 1 { return "\(leaves.lowerBound)" }
  var left = 1
  while 2 * left < leaves.count { left *= 2 }
  let middle = leaves.lowerBound + left
  return
    "(\(written(leaves.lowerBound..<middle))+\(written(middle..<leaves.upperBound)))"
}
