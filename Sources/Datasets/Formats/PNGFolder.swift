import Glibc
import System

/// The PNG images of a folder that has one folder for each class: root/CLASS/*.png, or
/// root/train/CLASS/*.png and root/test/CLASS/*.png (and root/validation).
///
/// The classes are the names of their folders, sorted. Samples are ordered by class, then by the
/// name of the file; names are compared by their bytes. Inputs are uint8, [1, H, W] for gray images
/// or [3, H, W] for RGB; all images have the same size and kind. Memory: the names of the files,
/// and one image.
package final class PNGFolder: SampleSource {
  package let name: String
  package var sampleCount: Int { files.count }
  package var inputShape: [Int] { format.shape }
  package var inputType: InputType { .uint8 }
  package var targetShape: [Int] { [] }
  package var targetType: TargetType { .classIndex(count: classes.count) }
  package var classNames: [String]? { classes }

  private let classes: [String]
  private let files: [(path: String, classIndex: Int)]
  private let format: PNGImage.Format
  private var samplesRead = 0
  private var hash = ContentHash()

  /// Whether there are images of `split`: in a folder of that name; for train, also in the root.
  package static func has(_ split: Split, in root: String) -> Bool {
    split == .train || isFolder(root + "/" + split.rawValue)
  }

  /// Lists the files, and reads the header of the first.
  /// - Parameter classNames: the classes of the training set, in order; a folder with another name
  ///   is an error. nil: the names of the folders.
  /// - Throws: `inputMissing` where the folder does not exist; `badData` where it has no class, a
  ///   class has no image, or a file among the images is no PNG image.
  package init(root: String, split: Split, classNames: [String]? = nil) throws {
    let hasSplits = PNGFolder.isFolder(root + "/" + Split.train.rawValue)
    name = hasSplits || split != .train ? root + "/" + split.rawValue : root
    guard PNGFolder.isFolder(name) else {
      throw Failure(
        .inputMissing, "no folder \(name)",
        remedy: "make it, with a folder of PNG images for each class")
    }
    let folders = try PNGFolder.list(name).filter { [name] in PNGFolder.isFolder(name + "/" + $0) }
    guard !folders.isEmpty else {
      throw Failure(
        .badData, "\(name) has no folder of a class",
        remedy: "put the images into \(name)/CLASS/NAME.png")
    }
    classes = classNames ?? folders
    let known = Set(classes.map { Array($0.utf8) })
    for folder in folders where !known.contains(Array(folder.utf8)) {
      throw Failure(
        .badData,
        "\(name)/\(folder) is the folder of no class; the classes are "
          + classes.prefix(20).joined(separator: ", ") + (classes.count > 20 ? ", ..." : ""),
        remedy: "rename or remove it, or train with that class")
    }
    let present = Set(folders.map { Array($0.utf8) })
    var files: [(path: String, classIndex: Int)] = []
    for (index, folder) in classes.enumerated() where present.contains(Array(folder.utf8)) {
      files += try PNGFolder.images(name + "/" + folder).map { ($0, index) }
    }
    self.files = files
    format = try PNGImage.format(path: self.files[0].path)
  }

  package func next(input: UnsafeMutableRawPointer?, target: UnsafeMutableRawPointer?) throws {
    require(samplesRead < files.count, "\(name): all \(files.count) samples were read")
    let file = files[samplesRead]
    samplesRead += 1
    target?.storeBytes(of: Int64(file.classIndex), as: Int64.self)
    try addToHash(file.path, classIndex: file.classIndex)
    guard let input else { return }
    let image = try PNGImage(path: file.path)
    guard image.format == format else {
      throw Failure(
        .badData,
        "\(file.path) is \(image.format.description), but \(files[0].path) is "
          + format.description, remedy: "make all images of one size and kind")
    }
    image.pixels.withUnsafeBytes {
      input.copyMemory(from: $0.baseAddress!, byteCount: $0.count)
    }
  }

  /// The hash of the class and the bytes of each image. The names of the files have no effect
  /// except on the order.
  package var digest: UInt64? { hash.value }

  private func addToHash(_ path: String, classIndex: Int) throws {
    let file = try DataFile(path: path, format: "a PNG image")
    let bytes = try file.bytes(file.byteCount, at: 0)
    withUnsafeBytes(of: (classIndex, bytes.count)) { hash.update($0) }
    bytes.withUnsafeBytes { hash.update($0) }
  }
}

// MARK: - Listing

extension PNGFolder {
  private static func images(_ folder: String) throws -> [String] {
    let names = try list(folder)
    for name in names where !name.lowercased().hasSuffix(".png") {
      throw Failure(
        .badData, "\(folder)/\(name) is among the images and no .png",
        remedy: "convert it to PNG, or move it elsewhere")
    }
    guard !names.isEmpty else {
      throw Failure(
        .badData, "\(folder) has no image", remedy: "put PNG images there, or remove the folder")
    }
    return names.map { folder + "/" + $0 }
  }

  /// The names in a folder, sorted by their bytes, without hidden ones.
  private static func list(_ folder: String) throws -> [String] {
    guard let stream = opendir(folder) else {
      throw systemFailure(
        .inputMissing, "cannot open \(folder)", remedy: "check the path and its permissions")
    }
    defer { closedir(stream) }
    var names: [String] = []
    while true {
      errno = 0
      guard let entry = readdir(stream) else {
        if errno == 0 { break }
        throw systemFailure(.ioError, "cannot list \(folder)")
      }
      let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
      if bytes[0] == UInt8(ascii: ".") { continue }
      guard let name = String(validating: bytes, as: UTF8.self) else {
        throw Failure(
          .badData, "\(folder)/\(shown(bytes)): the name is not UTF-8", remedy: "rename it")
      }
      names.append(name)
    }
    return names.sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }
}
