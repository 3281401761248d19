// SPDX-License-Identifier: Apache-2.0

import Foundation
import TestSupport
import Testing

@testable import ModelLoading

struct SafetensorsWriterTests {
    private typealias Writer = ModelLoading.SafetensorsWriter

    private static let tensors = [
        NamedTensor("b.weight", [2, 3], [1, -2, 0.5, 0, 1e-3, -7.25]),
        NamedTensor("a", [], [42]),
        NamedTensor("none", [0, 4], []),
    ]

    @Test func whatIsWrittenIsReadBackBitForBit() throws {
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/t.safetensors"
        try Writer.write(Self.tensors, metadata: ["format": "pt"], to: path)
        let read = try TensorFile(path: path)
        #expect(read.tensors.count == Self.tensors.count)
        for tensor in Self.tensors { #expect(read[tensor.name] == tensor) }
        #expect(read.metadata == ["format": "pt"])
    }

    @Test func theOrderOfTheTensorsDoesNotChangeTheBytes() throws {
        let bytes = try Writer.bytes(Self.tensors, metadata: ["b": "2", "a": "1"])
        let other = try Writer.bytes(Self.tensors.reversed(), metadata: ["a": "1", "b": "2"])
        #expect(bytes == other)
        let header = Int(bytes[0]) + Int(bytes[1]) << 8
        #expect(header % 8 == 0)
    }

    @Test func bf16IsRoundedToTheNearestAndTiesToEven() throws {
        let cases: [(UInt32, UInt32)] = [
            (0x3F80_0000, 0x3F80), (0x3F80_7FFF, 0x3F80), (0x3F80_8000, 0x3F80),
            (0x3F80_8001, 0x3F81), (0x3F81_8000, 0x3F82), (0xBF80_8001, 0xBF81), (0, 0),
        ]
        let values = cases.map { Float(bitPattern: $0.0) }
        let folder = try TemporaryFolder()
        let path = "\(folder.path)/t.safetensors"
        let tensor = NamedTensor("x", [values.count], values)
        try Writer.write([tensor], type: .bf16, to: path)
        let read = try TensorFile(path: path)
        #expect(read["x"]?.values == cases.map { Float(bitPattern: $0.1 << 16) })
    }

    @Test(arguments: [
        ([NamedTensor("a", [1], [1]), NamedTensor("a", [1], [2])], "unexpectedTensor"),
        ([NamedTensor("__metadata__", [1], [1])], "unexpectedTensor"),
        ([NamedTensor("a", [1], [.nan])], "notFinite"),
        ([NamedTensor("a", [1], [.greatestFiniteMagnitude])], "notFinite"),
    ])
    func whatNoReaderWouldTakeIsRefused(tensors: [NamedTensor], code: String) {
        let error = #expect(throws: ModelLoadingError.self) {
            try Writer.bytes(tensors, type: .bf16)
        }
        #expect(error?.code.rawValue == code)
    }

    @Test func aFolderThatDoesNotExistIsNamed() {
        let error = #expect(throws: ModelLoadingError.self) {
            try Writer.write([], to: "/nowhere/at/all.safetensors")
        }
        #expect(error?.code == .unwritable)
        #expect(error?.path == "/nowhere/at/all.safetensors")
    }
}
