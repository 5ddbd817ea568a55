import CYaml
import Yams

/// Reads YAML into nodes, within limits: aliases can make a few lines stand for billions of values,
/// and deep nesting overflows the stack of a recursive function.
enum YAMLText {
  static let maximumByteCount = 4 << 20
  /// Values and keys, including those that aliases repeat.
  static let maximumNodeCount = 200_000
  static let maximumDepth = 64

  /// A text that exceeds a limit.
  struct Excess: Error {
    let what: String
    let line: Int
  }

  /// The root node of the one document; nil where there is none.
  /// - Throws: Excess; YamlError.
  static func compose(_ yaml: String) throws -> Node? {
    try checkExtent(yaml)
    return try Yams.compose(yaml: yaml)
  }

  /// The number of nodes in a node and its depth.
  private struct Extent {
    var count = 1
    var depth = 0
    var anchor: [UInt8]?
  }

  /// Checks the limits on the parser's events, before nodes are built from them. A syntax error
  /// ends the check: `compose` then reports it, and reads no further either.
  private static func checkExtent(_ yaml: String) throws {
    var yaml = yaml
    guard yaml.utf8.count <= maximumByteCount else {
      throw Excess(what: "more than the \(maximumByteCount) bytes that are read", line: 1)
    }
    try yaml.withUTF8 { text in
      var parser = yaml_parser_t()
      yaml_parser_initialize(&parser)
      defer { yaml_parser_delete(&parser) }
      yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(&parser, text.baseAddress, text.count)
      var anchors: [[UInt8]: Extent] = [:]
      var open: [Extent] = []  // collections that are not closed yet, outermost first
      var isOver = false

      func add(_ node: Extent, _ line: Int) throws {
        if let anchor = node.anchor { anchors[anchor] = node }
        guard var parent = open.popLast() else { return }
        parent.count += node.count
        parent.depth = max(parent.depth, node.depth + 1)
        open.append(parent)
        if parent.count > maximumNodeCount {
          throw Excess(
            what: "more than the \(maximumNodeCount) values that are read, with those that aliases "
              + "repeat", line: line)
        }
        if open.count + node.depth > maximumDepth {
          throw Excess(what: "nested deeper than \(maximumDepth) levels", line: line)
        }
      }
      while !isOver {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) == 1 else { return }
        defer { yaml_event_delete(&event) }
        let line = Int(event.start_mark.line) + 1
        switch event.type {
        case YAML_SCALAR_EVENT:
          try add(Extent(anchor: name(event.data.scalar.anchor)), line)
        case YAML_ALIAS_EVENT:
          var extent = name(event.data.alias.anchor).flatMap { anchors[$0] } ?? Extent()
          extent.anchor = nil
          try add(extent, line)
        case YAML_SEQUENCE_START_EVENT:
          open.append(Extent(anchor: name(event.data.sequence_start.anchor)))
        case YAML_MAPPING_START_EVENT:
          open.append(Extent(anchor: name(event.data.mapping_start.anchor)))
        case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
          if let node = open.popLast() { try add(node, line) }
        case YAML_STREAM_END_EVENT, YAML_NO_EVENT: isOver = true
        default: break
        }
      }
    }
  }

  private static func name(_ anchor: UnsafeMutablePointer<yaml_char_t>?) -> [UInt8]? {
    anchor.map { Array(UnsafeBufferPointer(start: $0, count: strlen($0))) }
  }

  private static func strlen(_ text: UnsafeMutablePointer<yaml_char_t>) -> Int {
    var count = 0
    while text[count] != 0 { count += 1 }
    return count
  }
}
