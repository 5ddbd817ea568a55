import CPNG
import System

/// A decoded PNG image, gray or RGB, of 8 bits per channel.
struct PNGImage {
  /// The channels and the size in pixels.
  struct Format: Equatable {
    var channelCount: Int  // 1 gray, 3 RGB
    var height: Int
    var width: Int

    var shape: [Int] { [channelCount, height, width] }
    var byteCount: Int { channelCount * height * width }
    var description: String { "\(width) x \(height) \(channelCount == 1 ? "gray" : "RGB")" }
  }

  /// Larger images are rejected before memory is allocated for them.
  static let maximumPixelCount = 1 << 24
  static let maximumByteCount = 64 << 20
  static let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]

  let format: Format
  /// [C, H, W].
  let pixels: [UInt8]

  /// Reads and decodes a file. 1, 2 and 4 bits and palettes are expanded as the PNG specification
  /// says; no gamma or colour profile is applied, as in PIL and torchvision.
  /// - Throws: `inputMissing`; `badData` where the file is damaged or too large, or has 16 bits or
  ///   transparency; `ioError`.
  init(path: String) throws {
    let file = try DataFile(path: path, format: "a PNG file")
    format = try PNGImage.format(file)
    guard file.byteCount <= PNGImage.maximumByteCount else {
      throw Failure(
        .badData,
        "\(path) has \(file.byteCount) bytes; at most \(PNGImage.maximumByteCount) are "
          + "read", remedy: "make the image smaller")
    }
    let bytes = try PNGImage.essentialChunks(of: file)
    pixels = try PNGImage.decode(bytes, format, path)
  }

  /// Reads the format from the header of a file.
  /// - Throws: as `init`.
  static func format(path: String) throws -> Format {
    try format(DataFile(path: path, format: "a PNG file"))
  }

  private static func format(_ file: DataFile) throws -> Format {
    let bytes = try file.bytes(33, at: 0)
    for (i, byte) in signature.enumerated() where i >= bytes.count || bytes[i] != byte {
      throw Failure(
        .badData,
        "\(file.path) is not a PNG file: byte \(i) is "
          + (i < bytes.count ? "\(hex(bytes[i])), not \(hex(byte))" : "its end"),
        remedy: "convert the image to PNG")
    }
    guard bytes.count == 33 else { throw damage(file, "ends at byte \(bytes.count) in its header") }
    guard bytes[8..<16].elementsEqual([0, 0, 0, 13] + Array("IHDR".utf8)) else {
      throw damage(file, "has no header IHDR at byte 8")
    }
    let (width, height) = (bytes.bigEndian(at: 16, 4), bytes.bigEndian(at: 20, 4))
    guard width >= 1 && height >= 1 && width <= maximumPixelCount / height else {
      throw Failure(
        .badData,
        "\(file.path) declares \(width) x \(height) pixels at byte 16; 1 to "
          + "\(maximumPixelCount) in all are read", remedy: "make the image smaller")
    }
    let (depth, colour) = (bytes[24], bytes[25])
    func refuse(_ what: String, _ place: Int) -> Failure {
      Failure(
        .badData, "\(file.path) has \(what) (byte \(place)); gray and RGB of 8 bits are read",
        remedy: "convert the image to gray or RGB of 8 bits")
    }
    if depth == 16 { throw refuse("16 bits a channel", 24) }
    // Accepted only if the size of the file is consistent with it.
    let minimumByteCount = height * (1 + width * Int(depth) * (colour == 2 ? 3 : 1) / 8)
    let limit = ByteStream.maximumInflation * (file.byteCount + 1)
    guard minimumByteCount <= limit else {
      throw damage(
        file,
        "declares \(width) x \(height) pixels at byte 16, which \(file.byteCount) bytes cannot hold"
      )
    }
    switch colour {
    case 0: return Format(channelCount: 1, height: height, width: width)
    case 2, 3: return Format(channelCount: 3, height: height, width: width)
    case 4, 6: throw refuse("an alpha channel", 25)
    default: throw damage(file, "has the unknown colour type \(colour) at byte 25")
    }
  }

  /// The file with only the critical chunks: libpng would correct colours by gAMA, cHRM, sRGB and
  /// iCCP.
  private static func essentialChunks(of file: DataFile) throws -> [UInt8] {
    let bytes = try file.bytes(file.byteCount, at: 0)
    var kept = signature
    var next = signature.count
    while true {
      guard bytes.count - next >= 12, bytes.bigEndian(at: next, 4) <= bytes.count - next - 12 else {
        throw damage(file, "ends at byte \(bytes.count), inside the chunk at byte \(next)")
      }
      let end = next + 12 + bytes.bigEndian(at: next, 4)
      let type = bytes[next + 4..<next + 8]
      if type.elementsEqual("tRNS".utf8) {
        throw Failure(
          .badData,
          "\(file.path) has transparent colours (byte \(next)); gray and RGB of 8 bits "
            + "are read", remedy: "convert the image to gray or RGB without transparency")
      }
      // The first letter of a critical chunk, which no reader may skip, is a capital.
      if bytes[next + 4] & 0x20 == 0 { kept += bytes[next..<end] }
      next = end
      if type.elementsEqual("IEND".utf8) { return kept }
    }
  }

  private static func decode(
    _ bytes: [UInt8], _ format: Format, _ path: String
  ) throws -> [UInt8] {
    var image = png_image()
    image.version = png_uint_32(PNG_IMAGE_VERSION)
    defer { png_image_free(&image) }
    func failure() -> Failure {
      let reason = withUnsafeBytes(of: image.message) {
        String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
      }
      return Failure(
        .badData, "\(path) is damaged: libpng says \"\(reason)\"", remedy: "fetch the image again")
    }
    guard png_image_begin_read_from_memory(&image, bytes, bytes.count) != 0 else { throw failure() }
    guard Int(image.width) == format.width && Int(image.height) == format.height else {
      throw Failure(.badData, "\(path) has two headers", remedy: "fetch the image again")
    }
    image.format = format.channelCount == 1 ? 0 : png_uint_32(PNG_FORMAT_FLAG_COLOR)
    var interleaved = [UInt8](repeating: 0, count: format.byteCount)
    let rowStride = png_int_32(format.width * format.channelCount)
    guard png_image_finish_read(&image, nil, &interleaved, rowStride, nil) != 0 else {
      throw failure()
    }
    if format.channelCount == 1 { return interleaved }
    let plane = format.width * format.height
    return [UInt8](unsafeUninitializedCapacity: 3 * plane) { planes, count in
      for channel in 0..<3 {
        for pixel in 0..<plane {
          planes.initializeElement(
            at: channel * plane + pixel, to: interleaved[3 * pixel + channel])
        }
      }
      count = 3 * plane
    }
  }

  private static func damage(_ file: DataFile, _ what: String) -> Failure {
    Failure(.badData, "\(file.path) \(what)", remedy: "fetch the image again")
  }
}
