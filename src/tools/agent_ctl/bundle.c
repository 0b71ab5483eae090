/* SPDX-License-Identifier: Apache-2.0 */
#include "tools/agent_ctl/bundle.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "agent.pb-c.h"
#include "base/io.h"
#include "oci/spec.h"

bool bundle_is_for(const struct method *method)
{
	return method->request == &grpc__create_container_request__descriptor;
}

/* The directory of a file; owned. */
static char *directory_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	if (!slash)
		return strdup(".");
	return slash == path ? strdup("/") : strndup(path, (size_t)(slash - path));
}

static int load_file(const char *path, Grpc__Spec **ret, struct buf *dropped, struct err *err)
{
	auto_buf struct buf text = BUF_INIT;
	int r = io_read_file(AT_FDCWD, path, OCI_SPEC_MAX_SIZE, &text);

	if (r < 0)
		return err_sys(err, -r, "read %s", path);
	return oci_spec_parse(buf_str(&text), buf_len(&text), ret, dropped, err);
}

/* The agent has another working directory than we have. */
static int make_root_absolute(Grpc__Spec *spec, const char *dir, struct err *err)
{
	auto_free char *real = NULL;
	char *path;

	if (!spec->root || !spec->root->path || spec->root->path[0] == '/')
		return 0;
	real = realpath(dir, NULL);
	if (!real)
		return err_sys(err, errno, "bundle %s", dir);
	if (asprintf(&path, "%s/%s", real, spec->root->path) < 0)
		return err_sys(err, ENOMEM, "bundle %s", dir);
	free(spec->root->path);
	spec->root->path = path;
	return 0;
}

static int load(const char *dir, const char *file, Grpc__Spec **ret, struct err *err)
{
	auto_buf struct buf dropped = BUF_INIT;
	Grpc__Spec *spec;
	int r = file ? load_file(file, &spec, &dropped, err)
		     : oci_spec_load(dir, &spec, &dropped, err);

	if (r < 0)
		return r;
	r = make_root_absolute(spec, dir, err);
	if (r < 0) {
		oci_spec_free(spec);
		return r;
	}
	if (buf_len(&dropped))
		fprintf(stderr, "kata-agent-ctl: the protocol cannot carry, and leaves out: %s\n",
			buf_str(&dropped));
	*ret = spec;
	return 0;
}

static const char *without_scheme(const char *path)
{
	return strncmp(path, "file://", strlen("file://")) == 0 ? path + strlen("file://") : path;
}

int bundle_add(ProtobufCMessage *request, const char *bundle, const char *spec,
	const char *default_dir, struct err *err)
{
	Grpc__CreateContainerRequest *create = (Grpc__CreateContainerRequest *)request;
	auto_free char *spec_dir = NULL;

	if (create->oci && (bundle || spec))
		return err_set(err, EINVAL, "CreateContainer: OCI and %s= exclude each other",
			bundle ? "bundle" : "spec");
	if (create->oci || (!bundle && !spec && !default_dir))
		return 0;
	if (!spec)
		return load(bundle ? bundle : default_dir, NULL, &create->oci, err);
	spec = without_scheme(spec);
	spec_dir = directory_of(spec);
	if (!spec_dir)
		return err_sys(err, ENOMEM, "read %s", spec);
	return load(bundle ? bundle : spec_dir, spec, &create->oci, err);
}
