package node

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// pod is what a pod finds: files below a folder, and an environment.
type pod struct {
	client            kubernetes.Interface
	namespace, folder string
	spec              corev1.PodSpec
}

// mount writes the files of all mounted volumes as they are now; one that is there already and the same is left alone.
func (p *pod) mount(ctx context.Context) error {
	for _, mount := range p.spec.Containers[0].VolumeMounts {
		for _, volume := range p.spec.Volumes {
			if volume.Name != mount.Name {
				continue
			}
			files, err := p.files(ctx, &volume)
			if err != nil {
				return fmt.Errorf("mount %s: %w", mount.Name, err)
			}
			if err := p.write(mount.MountPath, files); err != nil {
				return fmt.Errorf("mount %s: %w", mount.Name, err)
			}
		}
	}
	return nil
}

// files are those of a volume, by their paths within it.
func (p *pod) files(ctx context.Context, v *corev1.Volume) (map[string][]byte, error) {
	files := map[string][]byte{}
	add := func(configMap, secret string, items []corev1.KeyToPath) error {
		data, err := p.data(ctx, configMap, secret)
		if err != nil {
			return err
		}
		for key, value := range data {
			if len(items) == 0 {
				files[key] = value
			}
			for _, item := range items {
				if item.Key == key {
					files[item.Path] = value
				}
			}
		}
		return nil
	}
	switch {
	case v.Secret != nil:
		return files, add("", v.Secret.SecretName, v.Secret.Items)
	case v.ConfigMap != nil:
		return files, add(v.ConfigMap.Name, "", v.ConfigMap.Items)
	case v.Projected != nil:
		for _, source := range v.Projected.Sources {
			var err error
			switch {
			case source.ConfigMap != nil:
				err = add(source.ConfigMap.Name, "", source.ConfigMap.Items)
			case source.Secret != nil:
				err = add("", source.Secret.Name, source.Secret.Items)
			}
			if err != nil {
				return nil, err
			}
		}
		return files, nil
	}
	return nil, fmt.Errorf("volumes of this sort are not known here")
}

// data is what a ConfigMap or a Secret holds; one of the names is empty.
func (p *pod) data(ctx context.Context, configMap, secret string) (map[string][]byte, error) {
	if secret != "" {
		found, err := p.client.CoreV1().Secrets(p.namespace).Get(ctx, secret, metav1.GetOptions{})
		if err != nil {
			return nil, err
		}
		return found.Data, nil
	}
	found, err := p.client.CoreV1().ConfigMaps(p.namespace).Get(ctx, configMap, metav1.GetOptions{})
	if err != nil {
		return nil, err
	}
	data := map[string][]byte{}
	for key, value := range found.Data {
		data[key] = []byte(value)
	}
	return data, nil
}

func (p *pod) write(path string, files map[string][]byte) error {
	folder := filepath.Join(p.folder, path)
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return err
	}
	there, err := os.ReadDir(folder)
	if err != nil {
		return err
	}
	for _, file := range there {
		if _, wanted := files[file.Name()]; !wanted {
			if err := os.Remove(filepath.Join(folder, file.Name())); err != nil {
				return err
			}
		}
	}
	for name, value := range files {
		file := filepath.Join(folder, name)
		if was, err := os.ReadFile(file); err == nil && bytes.Equal(was, value) {
			continue
		}
		if err := os.WriteFile(file, value, 0o600); err != nil {
			return err
		}
	}
	return nil
}

// environment is that of the container, with the paths of mounted files where they are here.
func (p *pod) environment(ctx context.Context) (map[string]string, error) {
	env := map[string]string{}
	for _, one := range p.spec.Containers[0].Env {
		value := strings.ReplaceAll(one.Value, "/etc/hlo-agent/", p.folder+"/etc/hlo-agent/")
		if from := one.ValueFrom; from != nil {
			var err error
			if value, err = p.valueFrom(ctx, from); err != nil {
				return nil, fmt.Errorf("environment variable %s: %w", one.Name, err)
			}
		}
		env[one.Name] = value
	}
	return env, nil
}

func (p *pod) valueFrom(ctx context.Context, from *corev1.EnvVarSource) (string, error) {
	var configMap, secret, key string
	switch {
	case from.SecretKeyRef != nil:
		secret, key = from.SecretKeyRef.Name, from.SecretKeyRef.Key
	case from.ConfigMapKeyRef != nil:
		configMap, key = from.ConfigMapKeyRef.Name, from.ConfigMapKeyRef.Key
	case from.FieldRef != nil:
		value, ok := map[string]string{"metadata.name": "pod-0", "metadata.namespace": p.namespace, "status.podIP": "127.0.0.1"}[from.FieldRef.FieldPath]
		if !ok {
			return "", fmt.Errorf("there is no %s here", from.FieldRef.FieldPath)
		}
		return value, nil
	}
	data, err := p.data(ctx, configMap, secret)
	if err != nil {
		return "", err
	}
	return string(data[key]), nil
}

// writeToken writes a kubeconfig with a token of the pod's ServiceAccount.
func (p *pod) writeToken(ctx context.Context, admin *rest.Config, file string) error {
	token, err := p.client.CoreV1().ServiceAccounts(p.namespace).CreateToken(ctx, p.spec.ServiceAccountName, &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		return fmt.Errorf("ask for a token of the ServiceAccount: %w", err)
	}
	config := clientcmdapi.NewConfig()
	config.Clusters["c"] = &clientcmdapi.Cluster{Server: admin.Host, CertificateAuthorityData: admin.CAData}
	config.AuthInfos["u"] = &clientcmdapi.AuthInfo{Token: token.Status.Token}
	config.Contexts["x"] = &clientcmdapi.Context{Cluster: "c", AuthInfo: "u", Namespace: p.namespace}
	config.CurrentContext = "x"
	return clientcmd.WriteToFile(*config, file)
}
