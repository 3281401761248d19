// SPDX-License-Identifier: Apache-2.0

import Foundation

/// What was built and what the repository holds, as absolute paths.
enum Built {
    /// The folder of the test bundle, where the build puts `burrow` and the plugins.
    static let folder: String = Bundle.main.executableURL!.deletingLastPathComponent().path
    static let burrow = "\(folder)/burrow"

    static let repository: String = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().path
    static let samples = "\(repository)/Samples"
    static let goldens = "\(repository)/Tests/Goldens"

    /// The Python of the environment with the OpenAI client, which `make clients` makes.
    static let clientPython: String? =
        ProcessInfo.processInfo.environment["BURROW_CLIENTS"].map { "\($0)/bin/python" }

    static func text(_ path: String) throws -> String {
        try String(contentsOfFile: "\(repository)/\(path)", encoding: .utf8)
    }
}

/// A new folder that goes away with the value.
final class TestFolder: Sendable {
    /// With every symbolic link resolved, as the host reports paths.
    let path: String

    init() throws {
        var template = Array(
            (FileManager.default.temporaryDirectory.path + "/burrow-host-XXXXXX").utf8CString)
        guard let made = mkdtemp(&template), let resolved = realpath(made, nil) else {
            throw CocoaError(.fileWriteUnknown)
        }
        defer { free(resolved) }
        path = String(cString: resolved)
        Leftovers.made(folder: path)
    }

    deinit { Leftovers.remove(folder: path) }

    /// - Returns: the path of the written file.
    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        let file = try place(name)
        try Data(text.utf8).write(to: URL(fileURLWithPath: file))
        return file
    }

    /// - Returns: the path of the copy.
    @discardableResult
    func copy(_ source: String, to name: String) throws -> String {
        let target = try place(name)
        try FileManager.default.copyItem(atPath: source, toPath: target)
        return target
    }

    /// - Returns: the path of the link.
    @discardableResult
    func link(_ name: String, to target: String) throws -> String {
        let link = try place(name)
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: target)
        return link
    }

    private func place(_ name: String) throws -> String {
        let url = URL(fileURLWithPath: "\(path)/\(name)")
        try FileManager.default.createDirectory(
            at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
        return url.path
    }
}
