// SPDX-License-Identifier: Apache-2.0

import Foundation
import ModelLoading
import PluginLoading
import PolicyKit

/// What a plugin library says of itself, in a file beside it: `libNAME.json` for `libNAME.so`.
///
/// `burrow plugin build` writes it from a run of the library in a process of its own. It names the
/// bytes that it is about by their SHA-256, so that a stale one is never believed.
struct PluginMetadata: Codable, Equatable {
    static let format = "burrow-plugin/1"

    var format: String
    /// The file name of the library.
    var library: String
    /// SHA-256 of its bytes, in hexadecimal.
    var sha256: String
    /// The number of the plugin interface.
    var interface: UInt32
    var compilers: [String]
    var policies: [PolicyListing]

    /// How the metadata of a library stand.
    enum Reading: Equatable {
        case valid(PluginMetadata)
        case absent
        /// Of other bytes, or not readable; with the reason.
        case unusable(String)
    }

    /// The largest file that is read.
    private static let mostBytes = 1 << 20

    static func path(beside library: String) -> String {
        let stem = library.hasSuffix(".so") ? String(library.dropLast(3)) : library
        return "\(stem).json"
    }

    /// Reads the metadata of a library without loading it, and checks that it is of these bytes.
    static func read(beside library: String) -> Reading {
        let path = path(beside: library)
        guard let file = FileHandle(forReadingAtPath: path) else { return .absent }
        defer { try? file.close() }
        guard let bytes = try? file.read(upToCount: mostBytes + 1), bytes.count <= mostBytes,
            let metadata = try? JSONDecoder().decode(PluginMetadata.self, from: bytes),
            metadata.format == format
        else { return .unusable("\(path) is no file of the format \(format)") }
        guard let digest = try? SHA256.digest(ofFile: library) else {
            return .unusable("\(library) cannot be read")
        }
        guard digest == metadata.sha256 else {
            return .unusable("\(path) is about another build of the library")
        }
        return .valid(metadata)
    }

    /// Writes the metadata of a library that was run.
    static func write(_ policies: [PolicyListing], beside library: String) throws {
        let name = library.split(separator: "/").last.map(String.init) ?? library
        let examination = PluginExamination(library)
        let metadata = PluginMetadata(
            format: format, library: name,
            sha256: try orComplain { try SHA256.digest(ofFile: library) },
            interface: examination.interface ?? policyKitInterface,
            compilers: examination.compilers.sorted(), policies: policies)
        try writeFile(path(beside: library), Data((try json(metadata) + "\n").utf8))
    }
}
