// SPDX-License-Identifier: Apache-2.0

import ArgumentParser
import Foundation
import PluginLoading

/// Says what a host would refuse about plugins, and how to cure it.
struct PluginDoctor: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "doctor",
        abstract: "Say what a host would refuse about plugins, and how to cure it.",
        discussion: """
            Nothing of a library is run. A path is a library, the folder of a package, or a folder \
            of libraries. Ends with 1 where a host would refuse one.
            """)

    @Argument(help: "Libraries, or folders of packages or libraries.")
    var paths: [String]

    @Flag(help: "Write JSON.")
    var json = false

    func run() throws {
        var reports: [DoctorReport] = []
        for path in paths { reports += try Self.libraries(at: path).map(DoctorReport.init) }
        if json {
            say(try burrow.json(reports))
        } else {
            say(reports.map(\.text).joined(separator: "\n\n"))
        }
        if !reports.allSatisfy(\.loadable) { throw ExitCode.failure }
    }

    private static func libraries(at path: String) throws -> [String] {
        let absolute = WorkingFolder.absolute(path)
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: absolute, isDirectory: &isFolder),
            isFolder.boolValue
        else { return [path] }
        guard PluginPackage.isPackage(absolute) else {
            do throws(PluginError) {
                let found = try PluginSearch.libraries(in: [absolute])
                if !found.isEmpty { return found }
            } catch {
                complain(error.description)
                throw ExitCode.failure
            }
            complain("\(path): there is neither a Package.swift nor a library lib….so")
            throw ExitCode.failure
        }
        let package = try PluginPackage(path)
        for configuration in BuildConfiguration.allCases {
            let built = package.builtLibraries(configuration)
            if !built.isEmpty { return built }
        }
        complain("\(path): nothing is built yet: `burrow plugin build \(path)`")
        throw ExitCode.failure
    }
}

/// What was found about one library.
struct DoctorReport: Encodable {
    struct Finding: Encodable {
        let severity: String
        let code: String
        let message: String
    }

    let path: String
    let loadable: Bool
    let interface: UInt32?
    let compilers: [String]
    let needs: [String]
    let findings: [Finding]

    /// What it holds, as far as that can be told without running it.
    let policies: [PolicyListing]?

    init(_ path: String) {
        let examination = PluginExamination(WorkingFolder.absolute(path))
        self.path = path
        loadable = examination.isLoadable
        interface = examination.interface
        compilers = examination.compilers.sorted()
        needs = examination.neededLibraries
        var findings = examination.findings.map {
            Finding(severity: $0.severity.rawValue, code: $0.code, message: $0.message)
        }
        let cure = "`\(BuildCommand.text(for: WorkingFolder.absolute(path)))` writes it"
        switch PluginMetadata.read(beside: WorkingFolder.absolute(path)) {
        case .valid(let metadata): policies = metadata.policies
        case .absent:
            policies = nil
            if interface != nil {
                findings.append(
                    Finding(
                        severity: "warning", code: "noMetadata",
                        message: "what it holds cannot be told without running it: \(cure)"))
            }
        case .unusable(let reason):
            policies = nil
            findings.append(
                Finding(
                    severity: "warning", code: "staleMetadata", message: "\(reason): \(cure) anew"))
        }
        self.findings = findings
    }

    var text: String {
        var lines = ["\(path): \(loadable ? "a host loads it" : "a host refuses it")"]
        if let interface {
            lines.append("  interface \(interface), needs \(needs.joined(separator: ", "))")
        }
        lines += (policies ?? []).flatMap(\.lines).map { "  \($0)" }
        lines += findings.map { "  \($0.severity): \($0.message)" }
        return lines.joined(separator: "\n")
    }
}
