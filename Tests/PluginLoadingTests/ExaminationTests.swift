// SPDX-License-Identifier: Apache-2.0

import Foundation
import PolicyKit
import TestSupport
import Testing

@testable import PluginLoading

/// What `burrow plugin doctor` says of libraries.
struct ExaminationTests {
    private let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    private func codes(_ path: String) -> [String] {
        PluginExamination(path).findings.map(\.code)
    }

    @Test(arguments: builtPlugins)
    func aBuiltPluginIsLoadable(name: String) {
        let examination = PluginExamination(builtPlugin(name))
        #expect(examination.isLoadable, "\(examination.findings)")
        #expect(examination.interface == policyKitInterface)
        // CBC is C++ and comes with an interface in C.
        if name != "ILPMigration" { #expect(examination.findings == []) }
    }

    /// The loader stops at the first fault, the doctor at none.
    @Test func allFaultsAreToldAtOnce() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(
                interface: 9, symbols: ["$s9PolicyKit13futureFeatureyyF", "$s7Nowhere4findSiyF"],
                entryPoint: "another_export"),
            name: "Sick", in: folder, arguments: [])
        #expect(
            Set(codes(path)).isSuperset(of: [
                "wrongInterface", "staticPolicyKit", "undefinedSymbol",
            ]), "\(codes(path))")
        #expect(PluginExamination(path).isLoadable == false)
    }

    @Test func whatIsNoPluginHasOneFault() throws {
        let plain = try Toolchain.buildC(
            "int answer(void) { return 42; }", name: "Plain", in: folder, arguments: [])
        #expect(codes(plain) == ["notAPlugin"])
        #expect(codes(try folder.write("text.so", "no library".utf8)) == ["notELF"])
        #expect(codes("\(folder.path)/none.so") == ["unreadable"])
    }

    @Test func aSymbolThatNoLibraryHasIsFoundWithoutLoading() throws {
        let path = try Toolchain.buildC(
            PluginSource.c(symbols: ["$s7Nowhere4findSiyF"]), name: "Symbol", in: folder)
        let findings = PluginExamination(path).findings
        #expect(findings.map(\.code) == ["undefinedSymbol"], "\(findings)")
        #expect(findings.first?.message.contains("Nowhere.find() -> Swift.Int") == true)
    }

    @Test(arguments: [(false, "not installed"), (true, "lies beside it")])
    func aMissingLibraryIsFoundWithoutLoading(isBeside: Bool, words: String) throws {
        let needed = try Toolchain.buildC(
            "void gone(void) {}", name: "zz_needed", in: folder,
            arguments: ["-Wl,-soname,libzz_needed.so"])
        let path = try Toolchain.buildC(
            PluginSource.c(symbols: ["gone"]), name: "Needy", in: folder,
            arguments: [
                "-Wl,--no-as-needed", "-lPolicyKit", needed, "-Wl,-rpath,$ORIGIN",
            ])
        if !isBeside { try FileManager.default.removeItem(atPath: needed) }
        let findings = PluginExamination(path).findings
        #expect(findings.map(\.code) == ["missingLibrary"], "\(findings)")
        #expect(findings.first?.message.contains("libzz_needed.so") == true)
        #expect(findings.first?.message.contains(words) == true, "\(findings)")
    }

    private static let habits = """
        #include <pthread.h>
        #include <stdlib.h>
        #include <time.h>
        #include <dlfcn.h>
        static void *run(void *nothing) { return nothing; }
        static void bye(void) {}
        __attribute__((constructor)) static void early(void) { atexit(bye); }
        int shared_name(void) {
            pthread_t thread;
            struct timespec now;
            clock_gettime(CLOCK_MONOTONIC, &now);
            return pthread_create(&thread, 0, run, dlsym(0, "x"));
        }
        """

    @Test func whatAPluginShouldNotDoIsAWarning() throws {
        let path = try Toolchain.buildC(
            Self.habits + "\n" + PluginSource.c(), name: "Habits", in: folder)
        let examination = PluginExamination(path)
        #expect(examination.isLoadable)
        #expect(examination.findings.allSatisfy { $0.severity == .warning })
        #expect(
            Set(examination.findings.map(\.code)) == Set(PluginLint.allCases.map(\.rawValue)),
            "\(examination.findings)")
        let exported = examination.findings.first { $0.code == "exportedSymbols" }
        #expect(exported?.message.contains("shared_name") == true)
    }

    private static let swiftHabits = """
        import Foundation
        public func now() -> Date { Date() }
        public func tick() -> ContinuousClock.Instant { ContinuousClock.now }
        public func later() { Task { print(1) } }
        public func beside() { Thread { print(2) }.start() }
        public func named() -> Any.Type? { _typeByName("x") }
        """

    /// What it needs needs others in turn, from beside itself.
    @Test func theSameIsFoundInSwift() throws {
        let path = try Toolchain.buildSwift(
            PluginSource.swift(extra: Self.swiftHabits), module: "SwiftHabits", in: folder)
        let examination = PluginExamination(path)
        #expect(examination.isLoadable, "\(examination.findings)")
        #expect(
            Set(examination.findings.map(\.code)) == ["outsideWorld", "threads", "lookupByName"])
        let outside = examination.findings.first { $0.code == "outsideWorld" }?.message
        #expect(outside?.contains("Date") == true && outside?.contains("Clock") == true)
    }

    /// Random damage gives findings, never a trap.
    @Test func damagedFilesNeverTrap() throws {
        let small = try Toolchain.buildC(PluginSource.c(), name: "Small", in: folder)
        let original = try LibraryFile.read(small)
        var loadable = 0
        FuzzRun(seconds: 1, seed: 2).forEachRound { random, _ in
            var bytes = original
            for _ in 0..<Int.random(in: 1...8, using: &random) {
                let index = Int.random(in: bytes.indices, using: &random)
                bytes[index] = .random(in: 0...255, using: &random)
            }
            guard let path = try? folder.write("fuzz.so", bytes) else { return }
            if PluginExamination(path).isLoadable { loadable += 1 }
        }
        #expect(loadable > 0)
    }

    @Test(arguments: [
        ("/home/me/mine/.build/release/libMine.so", "burrow plugin build /home/me/mine"),
        ("/home/me/mine/.build/release", "burrow plugin build /home/me/mine"),
        ("/opt/plugins/libMine.so", "burrow plugin build NAME"),
        ("libMine.so", "burrow plugin build NAME"),
    ])
    func theCureNamesThePackageWhereItShows(path: String, command: String) {
        #expect(BuildCommand.text(for: path) == command)
    }
}
