// SPDX-License-Identifier: Apache-2.0

import Foundation

/// Burrow's sources, of which a policy's package needs PolicyKit and its conformance kit.
package struct PolicySDK: Sendable, Equatable {
    /// The absolute path of the folder that `Sources/PolicyKit` lies in.
    package let path: String

    /// Where the SDK is looked for when nobody says where it is.
    package static let variable = "BURROW_SDK"

    /// Finds the SDK: where `option` says, or else the environment, or else above the program.
    ///
    /// - Parameters:
    ///   - option: `--sdk`; relative to `folder`.
    ///   - environment: Of which `BURROW_SDK` counts.
    ///   - program: The path of the running program, with every symbolic link resolved.
    ///   - folder: The working folder.
    /// - Returns: where it is.
    /// - Throws: `missingSDK`.
    package static func find(
        option: String?, environment: [String: String], program: String, folder: String
    ) throws(ScaffoldError) -> PolicySDK {
        if let option { return try named(option, by: "--sdk", in: folder) }
        if let value = environment[variable], !value.isEmpty {
            return try named(value, by: variable, in: folder)
        }
        var place = URL(fileURLWithPath: program).deletingLastPathComponent()
        while place.path != "/" {
            if isSDK(place.path) { return PolicySDK(path: place.path) }
            place.deleteLastPathComponent()
        }
        throw ScaffoldError(
            .missingSDK,
            "PolicyKit's sources are not above \(program): name the folder of Burrow's repository "
                + "with `--sdk PATH` or in the environment as \(variable)")
    }

    private static func named(
        _ path: String, by source: String, in folder: String
    ) throws(ScaffoldError) -> PolicySDK {
        let absolute = URL(
            fileURLWithPath: path, relativeTo: URL(fileURLWithPath: folder, isDirectory: true)
        ).standardizedFileURL.path
        guard isSDK(absolute) else {
            throw ScaffoldError(
                .missingSDK,
                "\(source) names \(absolute), where there is no Sources/PolicyKit: name the folder "
                    + "of Burrow's repository")
        }
        return PolicySDK(path: absolute)
    }

    private static func isSDK(_ path: String) -> Bool {
        ["PolicyKit", "PolicyKitTesting"].allSatisfy {
            FileManager.default.fileExists(atPath: "\(path)/Sources/\($0)/Package.swift")
        }
    }

    /// Whether the small model with its adapters is there, which a new manifest serves.
    var hasSamples: Bool {
        FileManager.default.fileExists(atPath: "\(path)/Samples/model/config.json")
            && FileManager.default.fileExists(atPath: "\(path)/Samples/adapters")
    }
}
