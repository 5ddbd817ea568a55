import Yams

/// A value of any type, decoded into YAML.
struct RawValue: Decodable {
  let node: Node

  private struct Key: CodingKey {
    let stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  init(from decoder: any Decoder) throws {
    if let fields = try? decoder.container(keyedBy: Key.self) {
      node = Node(
        try fields.allKeys.sorted { $0.stringValue < $1.stringValue }.map {
          (Value.text($0.stringValue).node, try fields.decode(RawValue.self, forKey: $0).node)
        })
      return
    }
    if var items = try? decoder.unkeyedContainer() {
      var nodes: [Node] = []
      while !items.isAtEnd { nodes.append(try items.decode(RawValue.self).node) }
      node = Node(nodes)
      return
    }
    let single = try decoder.singleValueContainer()
    let value: Value =
      if single.decodeNil() {
        .null
      } else if let flag = try? single.decode(Bool.self) {
        .flag(flag)
      } else if let whole = try? single.decode(Int.self) {
        .integer(whole)
      } else if let seed = try? single.decode(UInt64.self) {
        .seed(seed)
      } else if let number = try? single.decode(Double.self) {
        .number(number)
      } else {
        .text(try single.decode(String.self))
      }
    node = value.node
  }
}
