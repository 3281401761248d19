// SPDX-License-Identifier: Apache-2.0

import Foundation
import Testing

@testable import ModelLoading

struct SafetensorsTests {
    private func open(_ bytes: [UInt8]) throws -> SafetensorsFile {
        let folder = try TemporaryFolder()
        try folder.write("a.safetensors", bytes)
        return try SafetensorsFile.opened(path: "\(folder.path)/a.safetensors")
    }

    private static func entry(
        _ name: String = "t", type: String = "F32", shape: String = "[2]", offsets: String = "[0,8]"
    ) -> String {
        #""\#(name)":{"dtype":"\#(type)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }

    @Test func tensorsOfEveryReadableTypeAreViewed() throws {
        let file = try open(
            SafetensorsWriter.file([
                StoredTensor(
                    name: "half", type: "F16", shape: [5],
                    bytes: [0x00, 0x3C, 0x00, 0xC0, 0x01, 0x00, 0x00, 0x7C, 0xFF, 0x7B]),
                StoredTensor(
                    name: "brain", type: "BF16", shape: [2], bytes: [0x80, 0x3F, 0x20, 0xC1]),
                .floats("full", [2, 3]) { Float($0) * 0.5 },
                StoredTensor(name: "empty", shape: [0, 4], bytes: []),
            ]))
        var views: [String: TensorView] = [:]
        for entry in file.header.entries { views[entry.name] = try file.view(entry) }
        #expect(views["half"]?.floats() == [1, -2, 0x1p-24, .infinity, 65504])
        #expect(views["half"]?.withUnsafeBytes(TensorType.f16.isFinite) == false)
        #expect(views["brain"]?.floats() == [1, -10])
        #expect(views["full"]?.floats() == [0, 0.5, 1, 1.5, 2, 2.5])
        #expect(views["full"]?.shape == [2, 3])
        #expect(views["empty"]?.elementCount == 0)
    }

    @Test func aTensorThatLiesBadlyIsCopiedToAnAlignedPlace() throws {
        let odd = StoredTensor(name: "odd", type: "U8", shape: [3], bytes: [1, 2, 3])
        let folder = try TemporaryFolder()
        try folder.write("a", SafetensorsWriter.file([odd, .floats("t", [3]) { Float($0) }]))
        let file = try SafetensorsFile.mapped(path: "\(folder.path)/a")
        let entry = try #require(file.header.entries.last)
        #expect(entry.bytes.lowerBound % 4 != 0)
        let view = try file.view(entry)
        #expect(view.floats() == [0, 1, 2])
        view.withUnsafeBytes { #expect(Int(bitPattern: $0.baseAddress) % 4 == 0) }
    }

    @Test func factorsAreReadByWholeStepsOfRows() throws {
        let rows = 3 * ReadBuffer.partBytes / 4 / 100
        let file = try open(SafetensorsWriter.file([.floats("t", [rows, 100]) { Float($0) }]))
        let factor = try file.factor(try #require(file.header.entries.first))
        #expect(try factor.floats() == (0..<rows * 100).map { Float($0) })
        var ends: [Int] = []
        try factor.read(by: 32, into: ReadBuffer()) { part, bytes in
            #expect(part.lowerBound == ends.last ?? 0)
            #expect(bytes.count == part.count * 400)
            ends.append(part.upperBound)
        }
        #expect(ends.count >= 3 && ends.last == rows)
        #expect(ends.dropLast().allSatisfy { $0 % 32 == 0 })
    }

    @Test func aRowThatIsLargerThanTheBufferIsReadWhole() throws {
        let columns = ReadBuffer.partBytes / 4 + 5
        let file = try open(SafetensorsWriter.file([.floats("t", [2, columns]) { Float($0) }]))
        let factor = try file.factor(try #require(file.header.entries.first))
        #expect(try factor.floats().last == Float(2 * columns - 1))
    }

    @Test func anUnreadableTypeIsAnErrorOnlyWhenTheTensorIsNeeded() throws {
        let file = try open(
            SafetensorsWriter.file([
                StoredTensor(name: "q", type: "F8_E4M3", shape: [3], bytes: [1, 2, 3])
            ]))
        let entry = try #require(file.header.entries.first)
        let error = loadingError { _ = try file.view(entry) }
        #expect(error?.code == .wrongType)
        #expect(error?.key == "q")
        #expect(error?.message.contains("F8_E4M3") == true)
    }

    static let eight = [UInt8](repeating: 0, count: 8)
    static let corrupt: [(what: String, bytes: [UInt8], message: String)] = [
        ("empty", [], "too few"),
        ("seven bytes", [1, 2, 3, 4, 5, 6, 7], "too few"),
        ("a huge length", [UInt8](repeating: 0xFF, count: 16), "over the limit"),
        ("a length beyond the end", [200, 0, 0, 0, 0, 0, 0, 0, 0x7B, 0x7D], "cut short"),
        ("no header", SafetensorsWriter.file(header: "", data: []), "begin with"),
        ("not an object", SafetensorsWriter.file(header: "[]", data: []), "begin with"),
        ("not JSON", SafetensorsWriter.file(header: "{\"a\"", data: []), "JSON"),
        ("text after it", SafetensorsWriter.file(header: "{}x", data: []), "expected the end"),
        (
            "the same name twice",
            SafetensorsWriter.file(
                header: "{\(entry("t", offsets: "[0,8]")),\(entry("t", offsets: "[8,16]"))}",
                data: eight + eight), "duplicate name"
        ),
        (
            "an entry that is a list", SafetensorsWriter.file(header: "{\"t\":[]}", data: []),
            "object"
        ),
        (
            "an unknown key",
            SafetensorsWriter.file(
                header: #"{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#,
                data: eight),
            "unknown key"
        ),
        (
            "no dtype",
            SafetensorsWriter.file(
                header: #"{"t":{"shape":[2],"data_offsets":[0,8]}}"#, data: eight),
            "dtype"
        ),
        one("a negative size", entry(shape: "[-2]"), "shape"),
        one("a fractional size", entry(shape: "[1.5]"), "shape"),
        one("a shape that is a string", entry(shape: "\"2\""), "shape"),
        one(
            "33 dimensions", entry(shape: "[\((0..<33).map { _ in "1" }.joined(separator: ","))]"),
            "shape"),
        one("an overflowing shape", entry(shape: "[4294967296,4294967296,2]"), "overflows"),
        one("the wrong size", entry(shape: "[3]"), "needs 12 bytes"),
        one("the wrong type", entry(type: "F64"), "needs 16 bytes"),
        one("one offset", entry(offsets: "[8]"), "data_offsets"),
        one("a negative offset", entry(offsets: "[-8,0]"), "data_offsets"),
        one("a reversed range", entry(offsets: "[8,0]"), "not a range"),
        one(
            "an overflowing offset", entry(offsets: "[9223372036854775800,9223372036854775807]"),
            "not a range"),
        one("a tensor beyond the end", entry(shape: "[4]", offsets: "[0,16]"), "cut short"),
        one("bytes after the last tensor", entry(shape: "[1]", offsets: "[0,4]"), "after the last"),
        one("a hole at the start", entry(shape: "[1]", offsets: "[4,8]"), "belong to no tensor"),
        one(
            "overlapping tensors",
            "\(entry("a", shape: "[1]", offsets: "[0,4]")),\(entry("b", shape: "[2]", offsets: "[0,8]"))",
            "overlap"),
        one("metadata that is not text", "\"__metadata__\":{\"a\":1},\(entry())", "strings"),
    ]

    private static func one(
        _ what: String, _ entries: String, _ message: String
    ) -> (what: String, bytes: [UInt8], message: String) {
        (what, SafetensorsWriter.file(header: "{\(entries)}", data: eight), message)
    }

    @Test(arguments: corrupt.indices)
    func corruptFilesAreRefusedWithTheReason(index: Int) {
        let (what, bytes, message) = Self.corrupt[index]
        let error = loadingError { _ = try open(bytes) }
        #expect(error != nil, "accepted \(what)")
        #expect(error?.message.contains(message) == true, "\(what): \(String(describing: error))")
        #expect(error?.path?.hasSuffix("a.safetensors") == true)
    }

    @Test func everyPrefixOfAFileIsRefused() throws {
        let whole = SafetensorsWriter.file([.floats("t", [4]) { Float($0) }])
        _ = try open(whole)
        for count in 0..<whole.count {
            #expect(loadingError { _ = try open(Array(whole[..<count])) } != nil)
        }
    }

    @Test func directoriesAndMissingFilesAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.path
        #expect(loadingError { _ = try SafetensorsFile.mapped(path: path) }?.code == .unreadable)
        #expect(
            loadingError { _ = try SafetensorsFile.mapped(path: "\(path)/no") }?.code == .notFound)
        #expect(mkfifo("\(path)/fifo", 0o600) == 0)
        #expect(
            loadingError { _ = try SafetensorsFile.mapped(path: "\(path)/fifo") }?.code
                == .unreadable)
        try folder.write("empty.safetensors", "")
        #expect(
            loadingError { _ = try SafetensorsFile.mapped(path: "\(path)/empty.safetensors") }?.code
                == .malformedTensors)
    }

    @Test func aFileOverTheLimitIsNotRead() throws {
        let folder = try TemporaryFolder()
        try folder.write("big.safetensors", [UInt8](repeating: 0, count: 101))
        let path = "\(folder.path)/big.safetensors"
        #expect(
            loadingError { _ = try SafetensorsFile.opened(path: path, limit: 100) }?.code
                == .tooLarge)
    }
}
