import System

/// The arrays of an NPZ file: a zip archive of NPY files, stored or deflated (PKWARE's APPNOTE,
/// 4.3), as numpy.savez and savez_compressed write them.
struct NPZArchive {
  private struct Member {
    let name: [UInt8]
    let flags: Int
    let method: Int
    let checksum: UInt32
    let storedCount: Int
    let byteCount: Int
    let headerOffset: Int
  }

  private static let localSize = 30
  private static let entrySize = 46
  private static let endSize = 22

  private let file: DataFile
  private let directoryOffset: Int
  private var members: [Member] = []

  /// The names of the arrays, in the order of the file.
  var names: [String] { members.map { arrayName($0.name) } }

  /// Reads the directory at the end of the file.
  /// - Throws: `inputMissing`; `badData` where the directory is damaged or needs zip64.
  init(path: String) throws {
    file = try DataFile(path: path, format: "an NPZ file")
    let end = try NPZArchive.endRecord(file)
    directoryOffset = end.offset
    let directory = try file.bytes(end.byteCount, at: end.offset)
    var next = 0
    var names: Set<[UInt8]> = []
    for number in 0..<end.memberCount {
      guard directory.count - next >= NPZArchive.entrySize,
        directory[next..<next + 4].elementsEqual([0x50, 0x4b, 1, 2])
      else { throw fault("no entry \(number) of the zip directory at byte \(end.offset + next)") }
      let entry = Array(directory[next..<next + NPZArchive.entrySize])
      let nameCount = entry.littleEndian(at: 28, 2)
      let size =
        NPZArchive.entrySize + nameCount + entry.littleEndian(at: 30, 2)
        + entry.littleEndian(at: 32, 2)
      guard directory.count - next >= size else {
        throw fault("entry \(number) of the zip directory goes past its end")
      }
      let name = Array(
        directory[next + NPZArchive.entrySize..<next + NPZArchive.entrySize + nameCount])
      if !names.insert(name).inserted {
        throw fault("two members are called \(shown(name))")
      }
      members.append(
        Member(
          name: name, flags: entry.littleEndian(at: 8, 2), method: entry.littleEndian(at: 10, 2),
          checksum: UInt32(entry.littleEndian(at: 16, 4)),
          storedCount: entry.littleEndian(at: 20, 4), byteCount: entry.littleEndian(at: 24, 4),
          headerOffset: entry.littleEndian(at: 42, 4)))
      next += size
    }
  }

  /// Opens the array of that name at its first item.
  /// - Throws: `badData` where it is missing, damaged, encrypted or compressed by another method.
  func array(_ name: String) throws -> NPYArray {
    guard let member = members.first(where: { $0.name == Array("\(name).npy".utf8) }) else {
      let list = names.prefix(20).map { "\"\($0)\"" }.joined(separator: ", ")
      throw Failure(
        .badData, "\(file.path) has no array \"\(name)\"; it has \(list.isEmpty ? "none" : list)",
        remedy: "name one of its arrays, or write it with numpy.savez(..., \(name)=array)")
    }
    let what = "array \"\(name)\""
    guard member.flags & 1 == 0 else { throw fault("\(what) is encrypted") }
    guard member.method == 0 || member.method == 8 else {
      throw fault("\(what) is packed by zip method \(member.method); 0 and 8 are read")
    }
    let limit = 1 << 32 - 1
    guard member.storedCount < limit && member.byteCount < limit && member.headerOffset < limit
    else { throw NPZArchive.zip64(file.path) }
    let local = try file.bytes(NPZArchive.localSize, at: member.headerOffset)
    guard local.count == NPZArchive.localSize, local.starts(with: [0x50, 0x4b, 3, 4]) else {
      throw fault("\(what) has no zip header at byte \(member.headerOffset)")
    }
    let offset =
      member.headerOffset + NPZArchive.localSize + local.littleEndian(at: 26, 2)
      + local.littleEndian(at: 28, 2)
    guard member.storedCount <= directoryOffset - offset else {
      throw fault("\(what) of \(member.storedCount) bytes at byte \(offset) goes past its place")
    }
    // A declared size is accepted only if the stored bytes are consistent with it.
    let possible =
      member.method == 0
      ? member.storedCount : (member.storedCount + 1) * ByteStream.maximumInflation
    guard member.byteCount <= possible && (member.method == 8 || member.byteCount == possible)
    else {
      throw fault(
        "\(what) declares \(member.byteCount) bytes, where \(member.storedCount) are stored")
    }
    return try NPYArray(
      DataSection(
        of: file, name: "\(file.path): \(what)", offset: offset, storedCount: member.storedCount,
        byteCount: member.byteCount, isDeflated: member.method == 8, checksum: member.checksum))
  }

  private func arrayName(_ member: [UInt8]) -> String {
    let text = String(decoding: member, as: UTF8.self)
    return text.hasSuffix(".npy") ? String(text.dropLast(4)) : text
  }

  private func fault(_ what: String) -> Failure { NPZArchive.fault(file.path, what) }

  private static func fault(_ path: String, _ what: String) -> Failure {
    Failure(.badData, "\(path): \(what)", remedy: "write it again with numpy.savez")
  }

  private static func zip64(_ path: String) -> Failure {
    Failure(
      .badData, "\(path) is larger than zip without zip64 can tell; zip64 is not read",
      remedy: "write each array with numpy.save")
  }

  /// The position of the directory. Its end record is searched from the end of the file, where a
  /// comment of any length may follow it.
  private static func endRecord(
    _ file: DataFile
  ) throws -> (offset: Int, byteCount: Int, memberCount: Int) {
    let tailCount = min(file.byteCount, endSize + 65535)
    let tailOffset = file.byteCount - tailCount
    let tail = try file.bytes(tailCount, at: tailOffset)
    let start = stride(from: tail.count - endSize, through: 0, by: -1).first {
      tail[$0..<$0 + 4].elementsEqual([0x50, 0x4b, 5, 6])
        && $0 + endSize + tail.littleEndian(at: $0 + 20, 2) == tail.count
    }
    guard let start else {
      throw fault(file.path, "not an NPZ file, or cut short: no end of a zip archive is in it")
    }
    let record = Array(tail[start..<start + endSize])
    let memberCount = record.littleEndian(at: 10, 2)
    let byteCount = record.littleEndian(at: 12, 4)
    let offset = record.littleEndian(at: 16, 4)
    if memberCount == 65535 || byteCount == 1 << 32 - 1 || offset == 1 << 32 - 1 {
      throw zip64(file.path)
    }
    guard record.littleEndian(at: 4, 2) == 0 && record.littleEndian(at: 8, 2) == memberCount else {
      throw fault(file.path, "a part of a zip archive over several files")
    }
    guard offset + byteCount == tailOffset + start else {
      throw fault(
        file.path,
        "the zip directory, \(byteCount) bytes at byte \(offset), does not end where the "
          + "end record begins, at byte \(tailOffset + start)")
    }
    return (offset, byteCount, memberCount)
  }
}
