// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import Hosting

/// How a plugin is compiled.
enum BuildConfiguration: String, CaseIterable, ExpressibleByArgument {
    case release, debug
}

/// A Swift package whose libraries are plugins.
struct PluginPackage {
    /// The absolute path of the folder of `Package.swift`.
    let folder: String

    /// As the user wrote it.
    let name: String

    /// Complains and ends where there is no package.
    init(_ name: String) throws {
        self.name = name
        folder = URL(fileURLWithPath: WorkingFolder.absolute(name)).standardizedFileURL.path
        guard Self.isPackage(folder) else {
            complain(
                "\(folder) is no package: there is no Package.swift; `burrow plugin new NAME --kind "
                    + "KIND` makes one")
            throw ExitCode.failure
        }
    }

    static func isPackage(_ folder: String) -> Bool {
        FileManager.default.fileExists(atPath: "\(folder)/Package.swift")
    }

    /// Builds each library of the package and writes its metadata beside it.
    ///
    /// - Returns: the paths of the libraries.
    func build(_ configuration: BuildConfiguration) throws -> [String] {
        let products = try dynamicLibraries()
        guard !products.isEmpty else {
            complain(
                "\(folder)/Package.swift has no product `.library(type: .dynamic)`: add one for the "
                    + "policy's target, as `burrow plugin new` writes it")
            throw ExitCode.failure
        }
        for product in products {
            try swift([
                "build", "--package-path", folder, "-c", configuration.rawValue, "--product",
                product,
            ])
        }
        return products.map { library($0, configuration) }
    }

    /// The libraries of one configuration that are there, without building.
    func builtLibraries(_ configuration: BuildConfiguration) -> [String] {
        let place = "\(folder)/.build/\(configuration.rawValue)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
        return names.filter {
            $0.hasPrefix("lib") && $0.hasSuffix(".so") && $0 != "libPolicyKit.so"
        }.sorted().map { "\(place)/\($0)" }
    }

    private func library(_ product: String, _ configuration: BuildConfiguration) -> String {
        "\(folder)/.build/\(configuration.rawValue)/lib\(product).so"
    }

    // MARK: - Swift's package manager

    private struct Description: Decodable {
        struct Product: Decodable {
            struct Kind: Decodable { var library: [String]? }
            var name: String
            var type: Kind
        }
        var products: [Product]
    }

    private func dynamicLibraries() throws -> [String] {
        let output = Pipe()
        let text = try swift(
            ["package", "--package-path", folder, "describe", "--type", "json"], into: output)
        guard let description = try? JSONDecoder().decode(Description.self, from: text) else {
            complain("`swift package describe` answers with something else than a package")
            throw ExitCode.failure
        }
        return description.products.filter { $0.type.library?.contains("dynamic") == true }
            .map(\.name)
    }

    /// Runs `swift`; what it says goes to standard error, so that standard output is for programs.
    ///
    /// - Returns: what it wrote to `pipe`.
    @discardableResult
    private func swift(_ arguments: [String], into pipe: Pipe? = nil) throws -> Data {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["swift"] + arguments
        process.standardInput = FileHandle.nullDevice
        process.standardOutput = pipe ?? FileHandle.standardError
        do {
            try process.run()
        } catch {
            complain("cannot run swift: \(error.localizedDescription)")
            throw ExitCode.failure
        }
        let output = try pipe?.fileHandleForReading.readToEnd() ?? Data()
        process.waitUntilExit()
        if process.terminationReason == .uncaughtSignal {
            complain("swift was ended by \(SignalName(process.terminationStatus))")
            throw ExitCode.failure
        }
        if process.terminationStatus == 127 {
            complain("there is no swift in PATH: https://www.swift.org/install/linux")
        }
        guard process.terminationStatus == 0 else { throw ExitCode(process.terminationStatus) }
        return output
    }
}
